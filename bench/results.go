package main

import "slices"

// cell is one place of the table.
type cell struct {
	load        string
	connections int
	target      string
}

// results are the samples of each cell, one per round and in their order.
type results map[cell][]sample

func (r results) add(c cell, s sample) { r[c] = append(r[c], s) }

// median of a figure over all rounds; 0 when nothing was measured.
func (r results) median(c cell, figure func(sample) float64) float64 {
	var values []float64
	for _, s := range r[c] {
		values = append(values, figure(s))
	}
	return median(values)
}

// ratio is the median over all rounds of a figure divided by that of another
// target in the same round.
func (r results) ratio(c cell, to string, figure func(sample) float64) float64 {
	base := r[cell{c.load, c.connections, to}]
	var values []float64
	for i, s := range r[c] {
		if i < len(base) && figure(base[i]) != 0 {
			values = append(values, figure(s)/figure(base[i]))
		}
	}
	return median(values)
}

// added is what a target adds to the median latency of direct calls, in
// microseconds: the median over all rounds.
func (r results) added(c cell) float64 {
	return median(r.addedEach(c))
}

func (r results) addedEach(c cell) []float64 {
	base := r[cell{c.load, c.connections, direct}]
	var values []float64
	for i, s := range r[c] {
		if i < len(base) {
			values = append(values, s.P50-base[i].P50)
		}
	}
	return values
}

// addedRatio is a target's added latency divided by that of nginx.
func (r results) addedRatio(c cell) float64 {
	base := r.addedEach(cell{c.load, c.connections, nginx})
	var values []float64
	for i, own := range r.addedEach(c) {
		if i < len(base) && base[i] > 0 {
			values = append(values, own/base[i])
		}
	}
	return median(values)
}

// errors counts the failures of all cells, for each target that has any.
func (r results) errors() map[string]int64 {
	failed := map[string]int64{}
	for c, samples := range r {
		for _, s := range samples {
			if s.Errors > 0 {
				failed[c.target] += s.Errors
			}
		}
	}
	return failed
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
