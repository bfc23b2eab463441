package lb

// alias draws positions at random in proportion to weights, each by one random
// number whatever the size of the pool: every position has a column of equal
// width, of which the lower part is its own and the rest another's (Vose, A
// Linear Algorithm for Generating Random Numbers with a Given Distribution,
// 1991). Where all weights are equal the columns are not needed.
type alias struct {
	n       uint64
	columns []column // nil when all weights are equal
}

// column is its own position's with probability keep/2^32, else the other's.
type column struct {
	keep  uint32
	other int32
}

func newAlias(pool []*Candidate) alias {
	var sum float64
	equal := true
	for _, c := range pool {
		sum += c.weight
		equal = equal && c.weight == pool[0].weight
	}
	a := alias{n: uint64(len(pool))}
	if equal {
		return a
	}
	share := make([]float64, len(pool)) // of a column; the mean is 1
	var small, large []int
	for i, c := range pool {
		share[i] = c.weight * float64(len(pool)) / sum
		if share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	a.columns = make([]column, len(pool))
	for i := range a.columns {
		a.columns[i] = column{1<<32 - 1, int32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.columns[s] = column{uint32(share[s] * (1<<32 - 1)), int32(l)}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return a
}

// two draws twice. One number is enough for both where there are no columns.
func (a *alias) two(random func() uint64) (x, y int) {
	bits := random()
	if a.columns == nil {
		return a.at(bits), a.at(bits << 32)
	}
	return a.at(bits), a.at(random())
}

// at takes the column from the high half of random bits and the height in it
// from the low half.
func (a *alias) at(bits uint64) int {
	i := int(bits >> 32 * a.n >> 32)
	if a.columns != nil && uint32(bits) >= a.columns[i].keep {
		return int(a.columns[i].other)
	}
	return i
}
