package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// portTimeout bounds one attempt to find an open port. A closed one is refused at once.
	portTimeout = 250 * time.Millisecond
	// portsTimeout bounds all of them, where a firewall answers none.
	portsTimeout = 2 * time.Second
)

// misplaced says that nothing listens on a function's port, and where it listens.
type misplaced struct {
	*refusal
	elsewhere []int
}

func (m *misplaced) Error() string {
	if len(m.elsewhere) == 0 {
		return fmt.Sprintf("nothing listens on port %d; nor on any other port that functions often use (one that listens on 127.0.0.1 only cannot be reached)", m.port)
	}
	ports := make([]string, len(m.elsewhere))
	for i, port := range m.elsewhere {
		ports[i] = strconv.Itoa(port)
	}
	return fmt.Sprintf("nothing listens on port %d; it listens on %s: set the variable port=%s in its environment, or have it listen on %d",
		m.port, strings.Join(ports, ", "), ports[0], m.port)
}

func (m *misplaced) Unwrap() error { return m.refusal }

// openPorts tries the ports that the image or the environment speak of, and those that
// functions often use, and returns the open ones, the first ones first.
func openPorts(ctx context.Context, address netip.AddrPort, named []int) []int {
	ports := slices.Concat(named, commonPorts())
	ctx, cancel := context.WithTimeout(ctx, portsTimeout)
	defer cancel()
	open := make([]bool, len(ports))
	turns := make(chan struct{}, 16)
	var group sync.WaitGroup
	for i, port := range ports {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			open[i] = isOpen(ctx, netip.AddrPortFrom(address.Addr(), uint16(port)), portTimeout)
		})
	}
	group.Wait()
	var found []int
	for i, port := range ports {
		if open[i] && port != int(address.Port()) && !slices.Contains(found, port) {
			found = append(found, port)
		}
	}
	return found
}

// commonPorts are those that frameworks and tutorials use.
func commonPorts() []int {
	ports := []int{
		443, 591, 1234, 1313, 1337, 3030, 3333, 4200, 4321, 4444, 4567, 5050, 5173, 5432, 5555, 5678, 6060, 6666, 7777,
		8181, 8282, 8383, 8443, 8484, 8585, 8686, 8787, 8888, 8989, 9191, 9292, 9393, 9898, 9999,
		10080, 11434, 12345, 18080, 20000, 28080, 30000, 31337, 50051,
	}
	for _, span := range [][2]int{{80, 90}, {2000, 2020}, {3000, 3010}, {4000, 4010}, {5000, 5010}, {6000, 6010}, {7000, 7080}, {8000, 8100}, {9000, 9100}, {10000, 10010}} {
		for port := span[0]; port <= span[1]; port++ {
			ports = append(ports, port)
		}
	}
	return ports
}
