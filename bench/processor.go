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

// usage is what /proc says of one process.
type usage struct {
	parent int
	ticks  int64
}

// processorTime returns what a process and those that came from it have used so
// far, all threads together. Process 0 stands for none.
func processorTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	all := make(map[int]usage, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, used, err := parseStat(string(text))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		all[id] = used
	}
	if _, lives := all[pid]; !lives {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return time.Duration(sum(all, pid)) * tick, nil
}

// sum adds up a process and its descendants.
func sum(all map[int]usage, pid int) int64 {
	total := all[pid].ticks
	for id, used := range all {
		if used.parent == pid {
			total += sum(all, id)
		}
	}
	return total
}

// parseStat reads a line of /proc/<pid>/stat. The second field is the program's
// name in parentheses, which may hold anything.
func parseStat(line string) (pid int, used usage, err error) {
	const parent, user, system = 1, 11, 12
	end := strings.LastIndexByte(line, ')')
	number, _, _ := strings.Cut(line, " ")
	pid, err = strconv.Atoi(number)
	if end < 0 || err != nil {
		return 0, usage{}, fmt.Errorf("%q is no line of stat", line)
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) <= system {
		return 0, usage{}, fmt.Errorf("%q has too few fields", line)
	}
	var numbers [3]int64
	for i, at := range []int{parent, user, system} {
		if numbers[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return 0, usage{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	return pid, usage{parent: int(numbers[0]), ticks: numbers[1] + numbers[2]}, nil
}
