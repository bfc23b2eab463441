package lb

// WeightedRoundRobin is RoundRobin under the name that those look for who set
// weights. Both are smooth: a heavy server's turns are spread over the cycle,
// never sent in a burst (as nginx's smooth weighted round robin, whose picks
// cost as much as there are servers).
func WeightedRoundRobin() Strategy { return roundRobin("weighted_round_robin") }
