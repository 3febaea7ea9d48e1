package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: user space sees 100 a second on every Linux.
const tick = 10 * time.Millisecond

// usage is what /proc says of one process, or of several together.
type usage struct {
	parent int
	ticks  int64
	// pages are those in memory.
	pages int64
}

// processor is the time that all threads have used.
func (u usage) processor() time.Duration { return time.Duration(u.ticks) * tick }

// resident is the memory, in bytes.
func (u usage) resident() int64 { return u.pages * int64(os.Getpagesize()) }

// consumed returns what a process and those that came from it have used so far, and
// have in memory now. Process 0 stands for none.
func consumed(pid int) (usage, error) {
	if pid == 0 {
		return usage{}, nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return usage{}, err
	}
	all := make(map[int]usage, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, used, err := parseStat(string(text))
		if err != nil {
			return usage{}, fmt.Errorf("read %s: %w", file, err)
		}
		all[id] = used
	}
	if _, lives := all[pid]; !lives {
		return usage{}, fmt.Errorf("process %d has ended", pid)
	}
	return sum(all, pid), nil
}

// sum adds up a process and its descendants.
func sum(all map[int]usage, pid int) usage {
	total := all[pid]
	for id, used := range all {
		if used.parent == pid {
			child := sum(all, id)
			total.ticks += child.ticks
			total.pages += child.pages
		}
	}
	return total
}

// parseStat reads a line of /proc/<pid>/stat. The second field is the program's
// name in parentheses, which may hold anything.
func parseStat(line string) (pid int, used usage, err error) {
	const parent, user, system, resident = 1, 11, 12, 21
	end := strings.LastIndexByte(line, ')')
	number, _, _ := strings.Cut(line, " ")
	pid, err = strconv.Atoi(number)
	if end < 0 || err != nil {
		return 0, usage{}, fmt.Errorf("%q is no line of stat", line)
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) <= resident {
		return 0, usage{}, fmt.Errorf("%q has too few fields", line)
	}
	var numbers [4]int64
	for i, at := range []int{parent, user, system, resident} {
		if numbers[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return 0, usage{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	return pid, usage{parent: int(numbers[0]), ticks: numbers[1] + numbers[2], pages: numbers[3]}, nil
}
