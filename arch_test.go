package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is one row of the arrow table in ARCHITECTURE.md.
type room struct {
	// imports are the rooms that this one may import.
	imports []string
	// owns are the import paths outside the project that only this room may use.
	owns []string
}

func rooms() map[string]room {
	return map[string]room{
		"function": {},
		"wire":     {},
		"front":    {imports: []string{"wire"}},
		"engine":   {imports: []string{"function"}, owns: []string{"github.com/docker/docker", "github.com/docker/cli"}},
		"store":    {imports: []string{"function"}, owns: []string{"go.etcd.io/bbolt"}},
		"resolver": {imports: []string{"function"}},
		"routes":   {imports: []string{"function"}, owns: []string{"github.com/golang-jwt/jwt", "github.com/klauspost/compress", "golang.org/x/crypto"}},
		"policy":   {imports: []string{"function"}},
		"proxy":    {imports: []string{"function", "resolver", "policy", "wire"}, owns: []string{"golang.org/x/net/http2"}},
		"scale":    {imports: []string{"function"}},
		"fleet":    {imports: []string{"function", "resolver", "scale"}},
		"handlers": {imports: []string{"function"}},
		"metrics":  {imports: []string{"function"}, owns: []string{"github.com/prometheus/client_golang"}},
	}
}

// shared are import paths that a few rooms may use, against the rule that a
// dependency has one room.
func shared() map[string][]string {
	return map[string][]string{
		// proxy offers the seed's NewHandlerFunc, whose signature speaks of
		// types.FaaSConfig; main mounts types.FaaSHandlers.
		"github.com/openfaas/faas-provider": {"handlers", "proxy", "."},
		// A breaker can stand before a route, as a filter, or around the calls of a function.
		"github.com/sony/gobreaker": {"policy", "routes"},
	}
}

const module = "faas-docker"

// source is one file of the program, without tests.
type source struct {
	room string
	path string
	file *ast.File
	fset *token.FileSet
}

// sources parses every file of the program. Test helpers and sample functions are
// not rooms.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && skipped(path) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		list = append(list, source{room: filepath.Dir(path), path: path, file: file, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("found only %d source files: is this the root of the project?", len(list))
	}
	return list
}

func skipped(path string) bool {
	base := filepath.Base(path)
	return path == "functions" || path == "bench" || strings.HasSuffix(base, "test") || base == "testdata" || base != "." && strings.HasPrefix(base, ".") || base == "bin" || base == "build" || base == "template"
}

func TestArchitecture_ImportsFollowTheArrowTable(t *testing.T) {
	for _, src := range sources(t) {
		for _, spec := range src.file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if reason := forbidden(src.room, path); reason != "" {
				t.Errorf("%s imports %s: %s", src.path, path, reason)
			}
		}
	}
}

// forbidden says why a room may not import a path; empty means it may.
func forbidden(from, path string) string {
	if ours, found := strings.CutPrefix(path, module+"/"); found {
		return forbiddenRoom(from, ours)
	}
	for name, r := range rooms() {
		for _, owned := range r.owns {
			if name != from && (path == owned || strings.HasPrefix(path, owned+"/")) {
				return fmt.Sprintf("only %s/ speaks to %s", name, owned)
			}
		}
	}
	for prefix, allowed := range shared() {
		if (path == prefix || strings.HasPrefix(path, prefix+"/")) && !slices.Contains(allowed, from) {
			return fmt.Sprintf("only %s may use it", strings.Join(allowed, ", "))
		}
	}
	return ""
}

func forbiddenRoom(from, to string) string {
	if from == "." {
		return ""
	}
	r, known := rooms()[from]
	if !known {
		return fmt.Sprintf("%s is no room of the house: see ARCHITECTURE.md", from)
	}
	if !slices.Contains(r.imports, to) {
		return fmt.Sprintf("the arrow table lets %s import %v", from, r.imports)
	}
	return ""
}

// What decides how many replicas there are is told the time and all else: it can be
// tested with tables.
func TestArchitecture_ScaleIsPure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "math", "slices", "strconv", "strings", "time", module + "/function"}
	for _, src := range sources(t) {
		if src.room != "scale" {
			continue
		}
		for _, spec := range src.file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s: scale/ does no I/O, its caller tells it what it needs", src.path, path)
			}
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker"}, selector(call)) {
				t.Errorf("%s: %s: scale/ is told the time", src.fset.Position(n.Pos()), selector(call))
			}
			return true
		})
	}
}

// The time of day may jump, forwards and backwards. A time that is made a number or
// moved to another zone has only that; all others also have the clock that nobody can
// set, and count by it.
func TestArchitecture_TheTimeOfDayDecidesNothing(t *testing.T) {
	reasons := map[string]string{
		"engine/adoption.go": "when a container was made, which is only shown",
		"engine/replica.go":  "when a container was made, which is only shown",
		"engine/logs.go":     "from when on the engine's log is read",
		"fleet/desire.go":    "when a function was deployed, which is only shown",
		"fleet/diary.go":     "when a note was written, which is only shown",
		"fleet/adopt.go":     "the end of a way back, see fleet/window.go",
		"fleet/keep.go":      "the end of a way back, see fleet/window.go",
		"fleet/window.go":    "the end of a way back, for the store; what is left of it is counted otherwise",
		"front/server.go":    "the header Date",
		"proxy/call.go":      "the header X-Start-Time",
	}
	needed := map[string]bool{}
	for _, src := range sources(t) {
		ast.Inspect(src.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || len(call.Args) > 0 || !slices.Contains([]string{"Unix", "UnixMilli", "UnixMicro", "UnixNano", "UTC", "Local"}, method.Sel.Name) {
				return true
			}
			needed[src.path] = true
			if reasons[src.path] == "" {
				t.Errorf("%s: %s takes the time of day alone, which may jump: count by time.Since", src.fset.Position(n.Pos()), method.Sel.Name)
			}
			return true
		})
	}
	for path := range reasons {
		if !needed[path] {
			t.Errorf("%s has a reason to take the time of day alone, and does not: strike it", path)
		}
	}
}

func TestArchitecture_OnlyMainReadsTheEnvironment(t *testing.T) {
	for _, src := range sources(t) {
		if src.room == "." {
			continue
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"os.Getenv", "os.LookupEnv", "os.Exit", "log.Fatal", "log.Fatalf"}, selector(call)) {
				t.Errorf("%s: %s belongs in main", src.fset.Position(n.Pos()), selector(call))
			}
			return true
		})
	}
}

func selector(s *ast.SelectorExpr) string {
	if x, ok := s.X.(*ast.Ident); ok {
		return x.Name + "." + s.Sel.Name
	}
	return ""
}

func TestStyle_NoGlobalsAndNoInit(t *testing.T) {
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: init hides work from the reader: build it where it is used", src.fset.Position(d.Pos()))
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR && !isSentinels(d) {
					t.Errorf("%s: a package variable other than a sentinel error or an interface check", src.fset.Position(d.Pos()))
				}
			}
		}
	}
}

// isSentinels reports whether a var declaration holds only errors (errors.New)
// and interface checks (var _ X = …), which nothing ever changes.
func isSentinels(d *ast.GenDecl) bool {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		if v.Names[0].Name == "_" {
			continue
		}
		for _, value := range v.Values {
			call, ok := value.(*ast.CallExpr)
			if !ok {
				return false
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || selector(fun) != "errors.New" {
				return false
			}
		}
		if len(v.Values) == 0 {
			return false
		}
	}
	return true
}

func TestStyle_FunctionsAreShort(t *testing.T) {
	const limit = 60
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := src.fset.Position(f.End()).Line - src.fset.Position(f.Pos()).Line + 1
			if lines > limit {
				t.Errorf("%s: %s has %d lines: at most %d", src.fset.Position(f.Pos()), f.Name.Name, lines, limit)
			}
			if parameters := f.Type.Params.NumFields(); parameters > 5 {
				t.Errorf("%s: %s has %d parameters: pass a struct", src.fset.Position(f.Pos()), f.Name.Name, parameters)
			}
		}
	}
}

func TestStyle_EveryPackageSaysWhatItOwnsAndEveryExportedNameIsDocumented(t *testing.T) {
	documented := map[string]int{}
	for _, src := range sources(t) {
		documented[src.room] += 0
		if src.file.Doc != nil {
			documented[src.room]++
		}
		for _, decl := range src.file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment", src.fset.Position(decl.Pos()), name)
			}
		}
	}
	for room, comments := range documented {
		if comments != 1 {
			t.Errorf("package %s has %d package comments, want one", room, comments)
		}
	}
}

func undocumented(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(d)
	}
	return nil
}

func undocumentedSpecs(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return ok && name.IsExported()
}
