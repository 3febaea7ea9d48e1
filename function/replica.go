package function

import (
	"net/netip"
	"time"
)

// State is what the engine says of a replica's container.
type State int

// The states, in the order of a replica's life. Created is the zero value.
const (
	Created State = iota
	Running
	Paused
	Exited
)

// String returns the engine's own word for the state.
func (s State) String() string {
	return [...]string{"created", "running", "paused", "exited"}[s]
}

// Replica is one container of a function, as the engine last described it.
type Replica struct {
	// ID is the engine's identifier of the container.
	ID string
	// Instance is the container's name, "figlet.openfaas-fn.3f9c2a".
	Instance string
	Function Name
	// Revision is the deployment that the container was made from.
	Revision uint64
	// Address is where the function listens; invalid unless the replica runs.
	Address netip.AddrPort
	State   State
	// CreatedAt is when the container was made, to the second.
	CreatedAt time.Time
	// Left is set when a rollback went back from its revision.
	Left bool
}

// Event says that replicas of a function should be listed again.
type Event struct {
	Function Name
	// Died is the ID of a replica that has just stopped, which no list may show yet; empty when
	// lists show what happened.
	Died string
}

// Load is what the resolver knows of one function at one moment.
type Load struct {
	// Ready is the number of replicas that run and answer now.
	Ready int
	// Asleep is the number of replicas that are frozen, and answer when called.
	Asleep int
	// InFlight is the number of invocations that hold a replica that is not kept for a way back.
	InFlight int
	// Waiting is the number of callers held because no replica is ready.
	Waiting int
	// Invocations is how often a replica was lent since the provider started; in a Status,
	// how often the function was called since it was deployed.
	Invocations uint64
	// InvocationsBefore is how many of them the revision before took, kept for a way back.
	InvocationsBefore uint64
}

// Status is a function with its present state.
type Status struct {
	Function
	Load
	// Reason says why fewer replicas answer than should, or what an update waits for; empty for none.
	Reason string
	// Kept is the number of replicas of the Previous revision that are there for a way back.
	Kept int
}

// Available returns how many of the replicas that should be there answer now. Frozen ones among
// them do, when they are called; frozen spares do not count.
func (s Status) Available() int {
	return s.Ready + min(s.Asleep, max(0, s.Replicas-s.Ready))
}

// Usage is what all replicas of a function consume together.
type Usage struct {
	// Millicores is processor time in thousandths of a core.
	Millicores float64
	// MemoryBytes is resident memory without the page cache that can be dropped.
	MemoryBytes float64
	// CPUSeconds is the processor time that was used so far, by replicas that are gone, too.
	CPUSeconds float64
}

// PostMortem says how a replica ended that stopped by itself.
type PostMortem struct {
	ExitCode int
	// OutOfMemory is set when the kernel stopped it for its memory limit.
	OutOfMemory bool
	// LastLines are the last lines it wrote, oldest first. Unread is set when they could not be read, as
	// when its container is being removed.
	LastLines []string
	Unread    bool
}

// Note is one line that the provider itself wrote about a function, for the function's logs.
type Note struct {
	Time time.Time
	Text string
}

// LogLine is one line that a replica wrote.
type LogLine struct {
	Instance string
	Time     time.Time
	Text     string
}

// LogQuery selects lines of a function's logs.
type LogQuery struct {
	// Instance limits the lines to one container; empty means all.
	Instance string
	// Since drops older lines; the zero time keeps all.
	Since time.Time
	// Tail keeps this many of the newest lines; zero or less keeps all.
	Tail int
	// Follow goes on with lines as they are written, of new replicas too.
	Follow bool
}

// Namespace is where functions and secrets live, field for field as OpenFaaS's FunctionNamespace.
type Namespace struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// Secret is a value that functions read from a file. It is in no list, label, log or inspect output.
type Secret struct {
	Name      string
	Namespace string
	Value     []byte
}
