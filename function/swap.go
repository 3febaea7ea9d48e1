package function

// Swap is what a host has to put the memory of frozen replicas on.
type Swap struct {
	// Known is set when the host's swap can be seen from here, as on the machine that
	// the engine runs on.
	Known bool
	// Total and Free are in bytes.
	Total, Free int64
	// Accounted is set when the engine can bound the swap of one container.
	Accounted bool
}
