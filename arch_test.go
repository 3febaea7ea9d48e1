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

// arrows is one row of the arrow table in ARCHITECTURE.md: what a package may import.
type arrows struct {
	// imports are the packages of the project that this one may import.
	imports []string
	// owns are the import paths outside the project that only this package may use.
	owns []string
}

func arrowTable() map[string]arrows {
	return map[string]arrows{
		"function": {},
		// All may import it but replica and scale, which are pure.
		"function/clock": {},
		"wire":           {},
		"grammar":        {},
		"front":          {imports: []string{"grammar", "wire"}},
		"engine":         {imports: []string{"function", "engine/holders"}, owns: []string{"github.com/docker/cli"}},
		"stack":          {imports: []string{"function"}, owns: []string{"github.com/drone/envsubst", "gopkg.in/yaml.v3"}},
		"store":          {imports: []string{"function"}},
		"queue":          {imports: []string{"function"}},
		"queue/disk":     {imports: []string{"queue"}},
		"queue/dispatch": {imports: []string{"queue"}},
		"queue/callback": {imports: []string{"grammar", "queue"}},
		"queue/api":      {imports: []string{"function", "grammar", "queue", "queue/callback"}},
		"replica":        {imports: []string{"function"}},
		"resolver":       {imports: []string{"function", "replica"}},
		"routes":         {imports: []string{"function", "grammar", "routes/argument", "routes/eskip", "routes/files"}},
		// The filters are not known to routes: app hands them over.
		"routes/filters": {
			imports: []string{"function", "grammar", "policy", "routes", "routes/argument", "routes/eskip", "routes/files"},
			owns:    []string{"github.com/golang-jwt/jwt", "github.com/klauspost/compress", "golang.org/x/crypto/bcrypt"},
		},
		"routes/servers":  {imports: []string{"function", "grammar", "policy", "routes"}},
		"routes/eskip":    {imports: []string{"function"}},
		"routes/argument": {imports: []string{"function", "grammar", "routes/eskip"}},
		"routes/files":    {imports: []string{"routes/eskip"}},
		"policy":          {imports: []string{"function", "grammar"}},
		"proxy":           {imports: []string{"function", "grammar", "front", "resolver", "policy", "proxy/upstream"}},
		"proxy/upstream":  {imports: []string{"function", "grammar", "policy", "wire"}, owns: []string{"golang.org/x/net/http2"}},
		"engine/holders":  {imports: []string{"function"}},
		// What programs with a grpc.Server of their own import; nothing here does.
		"proxy/grpcproxy":    {imports: []string{"proxy", "proxy/grpcproxy/mq"}},
		"proxy/grpcproxy/mq": {},
		"proxy/compat":       {imports: []string{"proxy"}},
		// The document's API on net/http alone.
		"proxy/compat/pipeline": {},
		"fleet/scale":           {imports: []string{"function"}},
		"fleet":                 {imports: []string{"function", "replica", "resolver", "fleet/scale"}},
		"handlers":              {imports: []string{"function", "grammar", "routes"}},
		"metrics":               {imports: []string{"function"}, owns: []string{"github.com/prometheus/client_golang"}},
		// app wires the packages together.
		".": {imports: []string{"app"}},
	}
}

// shared are import paths that a few packages may use, against the rule that a
// dependency has one package.
func shared() map[string][]string {
	return map[string][]string{
		"github.com/docker/docker": {"engine", "engine/holders"},
		// Two files: what should run is small and read from memory, the queue is neither.
		"go.etcd.io/bbolt": {"queue/disk", "store"},
		// proxy offers the seed's NewHandlerFunc, whose signature speaks of
		// types.FaaSConfig; handlers reads and writes its requests and statuses.
		"github.com/openfaas/faas-provider": {"handlers", "proxy"},
		// handlers answers for the program's health, and grpcproxy extends grpc-go's servers.
		// The calls of functions pass through neither.
		"google.golang.org/grpc": {"handlers", "proxy/grpcproxy"},
		// A breaker can stand before a route, as a filter, or around the calls of a function.
		"github.com/sony/gobreaker": {"policy"},
	}
}

const module = "faas-docker"

// source is one file of the program, without tests.
type source struct {
	// pkg is the folder of its package, from the root.
	pkg  string
	path string
	file *ast.File
	fset *token.FileSet
}

// sources parses every file of the program, without test helpers and sample functions.
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
		list = append(list, source{pkg: filepath.Dir(path), path: path, file: file, fset: fset})
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
			if reason := forbidden(src.pkg, path); reason != "" {
				t.Errorf("%s imports %s: %s", src.path, path, reason)
			}
		}
	}
}

// forbidden says why a package may not import a path; empty means it may.
func forbidden(from, path string) string {
	if ours, found := strings.CutPrefix(path, module+"/"); found {
		return forbiddenPackage(from, ours)
	}
	for name, r := range arrowTable() {
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

func forbiddenPackage(from, to string) string {
	if from == "app" {
		return "" // it wires all together
	}
	r, known := arrowTable()[from]
	if !known {
		return fmt.Sprintf("%s is not in the arrow table: see ARCHITECTURE.md", from)
	}
	if !slices.Contains(r.imports, to) && to != "function/clock" {
		return fmt.Sprintf("the arrow table lets %s import %v", from, r.imports)
	}
	return ""
}

// What decides how many replicas there are, and what becomes of each, is told the time and
// all else: it can be tested with tables.
func TestArchitecture_DecisionsArePure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "math", "slices", "strconv", "strings", "time", module + "/function"}
	for _, src := range sources(t) {
		if src.pkg != "fleet/scale" && src.pkg != "replica" {
			continue
		}
		for _, spec := range src.file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s: %s/ does no I/O, its caller tells it what it needs", src.path, path, src.pkg)
			}
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker"}, selector(call)) {
				t.Errorf("%s: %s: %s/ is told the time", src.fset.Position(n.Pos()), selector(call), src.pkg)
			}
			return true
		})
	}
}

// The time of day may jump, forwards and backwards. A time that is made a number or
// moved to another zone has only that; all others also have the monotonic
// clock, and count by it.
func TestArchitecture_TheTimeOfDayDecidesNothing(t *testing.T) {
	reasons := map[string]string{
		"engine/adoption.go":   "when a container was made, which is only shown",
		"engine/listing.go":    "when a container was made, which is only shown",
		"engine/logs.go":       "from when on the engine's log is read",
		"fleet/desire.go":      "when a function was deployed, which is only shown",
		"fleet/diary.go":       "when a note was written, which is only shown",
		"fleet/keep.go":        "the end of a way back, for the store; what is left of it is counted otherwise",
		"front/server.go":      "the header Date",
		"proxy/client.go":      "the header X-Start-Time",
		"queue/api/api.go":     "the header X-Start-Time",
		"queue/disk/record.go": "when a call is due, for the file, by a clock that never goes back",
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

// Of a setting that is given twice the annotation counts: one place decides that.
func TestArchitecture_OnlyMetadataReadsSettings(t *testing.T) {
	for _, src := range sources(t) {
		if src.path == "function/metadata.go" {
			continue
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			index, ok := n.(*ast.IndexExpr)
			if !ok {
				return true
			}
			if read, ok := index.X.(*ast.SelectorExpr); ok && read.Sel.Name == "Annotations" {
				t.Errorf("%s: an annotation is read past its label: use function.Metadata", src.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// What reads messages compares ASCII only: Unicode folds other letters to ASCII ones, and
// then two readers of one message see two different messages.
func TestArchitecture_MessagesAreComparedAsASCII(t *testing.T) {
	folding := []string{
		"strings.EqualFold", "strings.ToLower", "strings.ToUpper", "strings.ToTitle", "bytes.EqualFold", "bytes.ToLower", "bytes.ToUpper",
		"unicode.ToLower", "unicode.ToUpper", "unicode.SimpleFold",
	}
	for _, src := range sources(t) {
		if !slices.Contains([]string{"front", "grammar", "proxy", "routes", "policy", "wire"}, strings.Split(src.pkg, "/")[0]) {
			continue
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			if use, ok := n.(*ast.SelectorExpr); ok && slices.Contains(folding, selector(use)) {
				t.Errorf("%s: %s folds letters by Unicode: use package grammar", src.fset.Position(n.Pos()), selector(use))
			}
			return true
		})
	}
}

func TestArchitecture_OnlyMainReadsTheEnvironment(t *testing.T) {
	for _, src := range sources(t) {
		if src.pkg == "." {
			continue // and hands it to app
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

// isSentinels reports whether a var declaration holds only errors (errors.New, or another
// package's under its name) and interface checks (var _ X = …), which nothing ever changes.
func isSentinels(d *ast.GenDecl) bool {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		if v.Names[0].Name == "_" {
			continue
		}
		for _, value := range v.Values {
			if other, ok := value.(*ast.SelectorExpr); ok && other.Sel.Name == v.Names[0].Name && strings.HasPrefix(other.Sel.Name, "Err") {
				continue
			}
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
	const limit, limitOfNineInTen = 60, 20
	var all []int
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := src.fset.Position(f.End()).Line - src.fset.Position(f.Pos()).Line + 1
			all = append(all, lines)
			if lines > limit {
				t.Errorf("%s: %s has %d lines: at most %d", src.fset.Position(f.Pos()), f.Name.Name, lines, limit)
			}
			if parameters := f.Type.Params.NumFields(); parameters > 5 {
				t.Errorf("%s: %s has %d parameters: pass a struct", src.fset.Position(f.Pos()), f.Name.Name, parameters)
			}
		}
	}
	slices.Sort(all)
	p50, p90, longest := all[len(all)/2], all[len(all)*9/10], all[len(all)-1]
	t.Logf("%d functions: p50 %d, p90 %d, max %d lines", len(all), p50, p90, longest)
	if p90 > limitOfNineInTen {
		t.Errorf("one function in ten has %d lines or more: nine in ten have at most %d", p90, limitOfNineInTen)
	}
}

func TestStyle_EveryPackageSaysWhatItOwnsAndEveryExportedNameIsDocumented(t *testing.T) {
	documented := map[string]int{}
	for _, src := range sources(t) {
		documented[src.pkg] += 0
		if src.file.Doc != nil {
			documented[src.pkg]++
		}
		for _, decl := range src.file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment", src.fset.Position(decl.Pos()), name)
			}
		}
	}
	for pkg, comments := range documented {
		if comments != 1 {
			t.Errorf("package %s has %d package comments, want one", pkg, comments)
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

// The root holds what a stranger asks for.
func TestArchitecture_TheRootHasNoOtherGoFiles(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files, []string{"arch_test.go", "main.go"}) {
		t.Errorf("the root has %v, want main.go and arch_test.go: app/ has the program, e2e/ its tests", files)
	}
	entries, err := filepath.Glob("[^.]*")
	if err != nil {
		t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(name string) bool { return name == "bin" || name == "faas-docker" }) // what make and go build make
	if len(entries) > 35 {
		t.Errorf("the root has %d entries, want at most 35: %v", len(entries), entries)
	}
}

func TestStyle_PackagesAreSmall(t *testing.T) {
	const most = 30
	// Reasons are why a package has more files.
	reasons := map[string]string{}
	files := map[string]int{}
	for _, src := range sources(t) {
		files[src.pkg]++
	}
	for pkg, count := range files {
		if count > most && reasons[pkg] == "" {
			t.Errorf("%s/ has %d files without its tests: at most %d", pkg, count, most)
		}
		if count <= most && reasons[pkg] != "" {
			t.Errorf("%s/ has a reason to be large, and is not: strike it", pkg)
		}
	}
}

// width is how many fields and methods a type has.
type width struct{ fields, methods int }

// widths are those of all types, by package and name.
func widths(t *testing.T) map[string]width {
	t.Helper()
	all := map[string]width{}
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if name := receiverOf(d); name != "" {
					w := all[src.pkg+"."+name]
					w.methods++
					all[src.pkg+"."+name] = w
				}
			case *ast.GenDecl:
				for name, count := range fieldsOf(d) {
					w := all[src.pkg+"."+name]
					w.fields = count
					all[src.pkg+"."+name] = w
				}
			}
		}
	}
	return all
}

func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	switch generic := kind.(type) {
	case *ast.IndexExpr:
		kind = generic.X
	case *ast.IndexListExpr:
		kind = generic.X
	}
	return kind.(*ast.Ident).Name
}

func fieldsOf(d *ast.GenDecl) map[string]int {
	counts := map[string]int{}
	for _, spec := range d.Specs {
		s, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		if body, ok := s.Type.(*ast.StructType); ok {
			counts[s.Name.Name] = body.Fields.NumFields()
		}
	}
	return counts
}

// A wide type hides state in methods that look short.
func TestStyle_TypesAreNarrow(t *testing.T) {
	const mostFields, mostMethods = 15, 25
	reasons := wideTypes()
	for name, w := range widths(t) {
		wide := w.fields > mostFields || w.methods > mostMethods
		if wide && reasons[name] == "" {
			t.Errorf("%s has %d fields and %d methods: at most %d and %d", name, w.fields, w.methods, mostFields, mostMethods)
		}
		if !wide && reasons[name] != "" {
			t.Errorf("%s has a reason to be wide, and is not: strike it", name)
		}
	}
}

// wideTypes says why some types are wider than others.
func wideTypes() map[string]string {
	return map[string]string{
		"app.Config":   "one field for each variable: a flat list that one function fills, and others read",
		"fleet.Fleet":  "the operations of the API and the loop that carries them out share the store, the diary and the ledger",
		"fleet.worker": "all that one goroutine does for one function; its state is in types of their own, its decisions in decide and replica",
	}
}

// A user of an interface declares what it needs, and no more.
func TestStyle_InterfacesAreSmall(t *testing.T) {
	const most = 6
	reasons := wideInterfaces()
	for _, src := range sources(t) {
		for _, decl := range src.file.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range d.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				body, ok := s.Type.(*ast.InterfaceType)
				name := src.pkg + "." + s.Name.Name
				if ok && body.Methods.NumFields() > most && reasons[name] == "" {
					t.Errorf("%s has %d methods: at most %d", name, body.Methods.NumFields(), most)
				}
			}
		}
	}
}

// wideInterfaces says why some interfaces have more methods than others.
func wideInterfaces() map[string]string {
	return map[string]string{}
}
