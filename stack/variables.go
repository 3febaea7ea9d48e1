package stack

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
)

// ReadVariables reads a file of NAME=value lines as Compose reads .env. A value without
// quotes ends before " #", one in single quotes counts as it is, and in double quotes
// \n, \" and \\ stand for what they do elsewhere. Empty lines and lines that begin with #
// are passed over; other lines are too, with a note. A file that does not exist, or an empty
// path, has no variables.
func ReadVariables(path string) (map[string]string, []Note, error) {
	raw, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	assignment := regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)$`)
	variables, number := map[string]string{}, 0
	var notes []Note
	for line := range strings.Lines(strings.TrimPrefix(string(raw), "\ufeff")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || isComment(line) {
			continue
		}
		found := assignment.FindStringSubmatch(line)
		if found == nil {
			// The line is not quoted: it may hold a secret.
			notes = append(notes, Note{File: path, Line: number, Key: "variables", Text: "the line is passed over: want NAME=value"})
			continue
		}
		variables[found[1]] = unquoted(found[2])
	}
	return variables, notes, nil
}

func unquoted(value string) string {
	if end := len(value) - 1; end > 0 && value[0] == value[end] {
		switch value[0] {
		case '\'':
			return value[1:end]
		case '"':
			return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(value[1:end])
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return strings.TrimSpace(value)
}
