package function

// Processors is what the processors of a host have done since it started, all together, in ticks
// of its clock. The zero value is not known.
type Processors struct{ Idle, Total uint64 }

// Busy returns the part of the processors that was in use since before: more than zero, and one
// for all of them. It is zero when that is not known.
func (p Processors) Busy(before Processors) float64 {
	if before.Total == 0 || p.Total <= before.Total || p.Idle < before.Idle {
		return 0
	}
	idle := float64(p.Idle-before.Idle) / float64(p.Total-before.Total)
	return max(0, 1-idle)
}
