package lb

// LeastRequest is PowerOfTwo under the name that Envoy's users know it by:
// Envoy's least request draws two hosts and takes the one with fewer requests.
// Where weights differ Envoy falls back on a weighted round robin whose weights
// shrink with load; this one goes on comparing two, by load per unit of weight.
func LeastRequest() Strategy { return powerOfTwo("least_request") }
