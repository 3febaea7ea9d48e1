package routes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"gopkg.in/yaml.v3"

	"faas-docker/function"
	"faas-docker/policy"
	"faas-docker/routes"
	"faas-docker/routes/eskip"
	"faas-docker/routes/files"
	"faas-docker/routes/filters"
	"faas-docker/routes/routestest"
)

const document = "../docs/routes.md"

func readDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// stubFunction answers what it sees, as the document says.
func stubFunction(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		for key, values := range r.Header {
			w.Header().Set("Saw-"+key, strings.Join(values, ", "))
		}
		if prefix, _ := function.PrefixFrom(r.Context()); prefix != "" {
			w.Header().Set("Saw-X-Forwarded-Prefix", prefix)
		}
		if name == "broken" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Server", "stub")
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "%s %s %s", name, r.Method, r.RequestURI)
		if name == "long" {
			_, _ = io.WriteString(w, strings.Repeat(" and so on", 1000))
		}
	}
}

// documentOptions are those that the document's examples are run with.
func documentOptions(now *time.Time) routes.Options {
	return routes.Options{
		World: routes.World{Now: func() time.Time { return *now }},
		Filters: filters.All(filters.Options{
			Files:  files.Folder(os.TempDir()),
			Invoke: func(n function.Name) http.Handler { return stubFunction(n.Name) },
		}),
	}
}

// installed is a rule's text with the files that it names in a folder of the test.
func installed(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "www"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"www/hello.txt": "hello", "www/index.html": "<h1>index</h1>", "htpasswd": "alex:" + string(hash), "keys": "key-of-alex", "hmac": strings.Repeat("s", 32)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(text, "/etc/faas-docker", folder)
}

// rulesOf reads the rules of a block from the source that it shows.
func rulesOf(t *testing.T, block routestest.Block) []eskip.Rule {
	t.Helper()
	switch block.Kind {
	case "yaml":
		var stack struct {
			Functions map[string]struct{ Annotations map[string]string }
		}
		if err := yaml.Unmarshal([]byte(block.Text), &stack); err != nil {
			t.Fatal(err)
		}
		var specs []function.Spec
		for name, f := range stack.Functions {
			specs = append(specs, function.Spec{Name: name, Namespace: function.DefaultNamespace, Annotations: f.Annotations})
		}
		return routes.FromSpecs(specs)
	case "eskip file":
		rules, err := routes.NewFile(filed(t, block.Text)).LoadAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	return eskip.ParseEach(installed(t, block.Text))
}

// filed is the path of a file with a text.
func filed(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.eskip")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDocument_EveryExampleDoesWhatItSays(t *testing.T) {
	t.Parallel()
	blocks := routestest.Blocks(readDocument(t))
	for i := 0; i < len(blocks); i++ {
		rules := blocks[i]
		if rules.Kind == "http api" {
			continue // run against a provider
		}
		t.Run(fmt.Sprintf("%s, line %d", rules.Section, rules.Line), func(t *testing.T) {
			i++
			if i == len(blocks) || blocks[i].Kind != "http" {
				t.Fatal("no requests follow")
			}
			runExample(t, rules, blocks[i].Text)
		})
	}
}

func runExample(t *testing.T, rules routestest.Block, requests string) {
	t.Helper()
	var now time.Time
	table, problems := routes.Build(rulesOf(t, rules), documentOptions(&now))
	var live routes.Live
	live.Swap(table)
	defer live.Swap(nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	chains := &policy.Chains{}
	exchanges, err := routestest.Exchanges(requests)
	if err != nil || len(exchanges) == 0 {
		t.Fatalf("%d requests, %v", len(exchanges), err)
	}
	for _, e := range exchanges {
		if now = time.Now(); e.Time != "" {
			if now, err = time.Parse(time.RFC3339, e.Time); err != nil {
				t.Fatal(err)
			}
		}
		w := answerOf(table, chains, e)
		field := func(key string) string { return w.Header().Get(key) }
		if wrong := e.Wrong(w.Code, field, w.Body.String()); wrong != "" {
			t.Errorf("%s %s: %s", e.Method, e.Target, wrong)
		}
	}
}

func answerOf(table *routes.Table, chains *policy.Chains, e routestest.Exchange) *httptest.ResponseRecorder {
	r := httptest.NewRequest(e.Method, e.Target, strings.NewReader(e.Body))
	r.Host = "localhost"
	for _, field := range e.Header {
		if r.Header.Add(field[0], field[1]); field[0] == "Host" {
			r.Host = field[1]
		}
	}
	w := httptest.NewRecorder()
	route, params := table.Lookup(r)
	if route == nil {
		w.WriteHeader(http.StatusNotFound)
		return w
	}
	name := route.Function.Name
	if route.Previous {
		name += "@previous"
	}
	route.Serve(w, r, params, policed(chains, route.Function, stubFunction(name)))
	return w
}

// policed is a function behind the policies that its route asks for, as the proxy has them.
func policed(chains *policy.Chains, name function.Name, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chain := chains.Of(name, nil, function.PoliciesFrom(r.Context()))
		if chain == nil {
			next.ServeHTTP(w, r)
			return
		}
		got, err := chain.Do(r.Context(), policy.NewRequest(policy.Call{HTTP: r, Function: name}), nil, func(ctx context.Context, _ *policy.Request) (policy.Answer, error) {
			answer := recorded{httptest.NewRecorder()}
			next.ServeHTTP(answer.ResponseRecorder, r.WithContext(ctx))
			return answer, nil
		})
		var open *function.Failure
		if errors.As(err, &open) {
			w.Header().Set("X-Circuit-Open", "true")
			w.Header().Set("Retry-After", fmt.Sprint(math.Ceil(open.RetryAfter.Seconds())))
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer := got.(recorded)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// recorded is an answer as policies see it.
type recorded struct{ *httptest.ResponseRecorder }

func (r recorded) Status() int             { return r.Code }
func (r recorded) Field(key string) string { return r.Header().Get(key) }
func (r recorded) Drop()                   {}

func TestDocument_TellsOfEveryConditionAndFilter(t *testing.T) {
	t.Parallel()
	text := readDocument(t)
	examples := ""
	for _, block := range routestest.Blocks(text) {
		if strings.HasPrefix(block.Kind, "eskip") {
			examples += block.Text
		}
	}
	for _, name := range append(builtin().PredicateNames(), builtin().FilterNames()...) {
		if !strings.Contains(text, "`"+name+"`") || !strings.Contains(examples, name+"(") {
			t.Errorf("%s says nothing of %s, or has no example", document, name)
		}
	}
}

// What the table says of skipper's names is so.
func TestDocument_TheTableOfSkippersNamesIsTrue(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile("`<?([A-Za-z0-9]+)[^`]*`")
	known := map[string]bool{}
	for _, name := range append(builtin().PredicateNames(), builtin().FilterNames()...) {
		known[name] = true
	}
	_, section, _ := strings.Cut(readDocument(t), "## Rules from skipper")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		rows++
		same := strings.HasPrefix(strings.TrimSpace(cells[2]), "the same")
		for _, match := range names.FindAllStringSubmatch(cells[1], -1) {
			if name := match[1]; known[name] != same && name != "tee" {
				t.Errorf("%s: known here: %t; the table says %s", name, known[name], cells[2])
			}
		}
	}
	if rows < 30 {
		t.Errorf("the table has %d rows", rows)
	}
}
