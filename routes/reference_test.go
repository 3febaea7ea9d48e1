package routes

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"faas-docker/routes/eskip"
)

var seedFlag = flag.Uint64("routes.seed", 0, "seed of the random rules; 0 means another one each time")

// TestTable_FindsWhatALinearSearchFinds compares the table with the simplest thing
// that follows the words of the package comment: ask every rule, take the best.
func TestTable_FindsWhatALinearSearchFinds(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-routes.seed=%d", seed)
	for _, trim := range []bool{false, true} {
		random := rand.New(rand.NewPCG(seed, 0))
		rules := make([]eskip.Rule, 10000)
		alone := newBuilder(Options{IgnoreTrailingSlash: trim})
		for i := range rules {
			for {
				rules[i] = eskip.Rule{ID: fmt.Sprintf("r%d", random.IntN(1e9)), Predicates: randomConditions(random)}
				if err := alone.check(rules[i]); err == nil || !strings.Contains(err.Error(), "no request can meet") {
					break
				}
			}
		}
		table, problems := Build(rules, Options{IgnoreTrailingSlash: trim})
		reference := newReference(t, rules, trim)
		if table.Len() != len(reference.rules) || table.Len()+len(problems) != len(rules) {
			t.Fatalf("of %d rules the table has %d and the reference %d; %d problems", len(rules), table.Len(), len(reference.rules), len(problems))
		}
		hits := 0
		for range 200 {
			r := randomRequest(random)
			got, want := "", reference.find(r)
			if route, _ := table.Lookup(r); route != nil {
				got = route.Rule.ID
			}
			if got != want {
				t.Fatalf("%s %s%s: got %q, want %q (trim %t)", r.Method, r.Host, r.URL.Path, got, want, trim)
			}
			if want != "" {
				hits++
			}
		}
		if hits < 50 {
			t.Errorf("only %d of the requests found a rule: the test tests nothing", hits)
		}
	}
}

// The words that paths and hosts are made of.
var (
	words = []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	hosts = []string{"one.org", "two.org", "www.one.org", "three.net", "xn--4.org"}
)

func pick[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }

// randomConditions leave the rule without a path once in a thousand, because such
// rules are found for nearly every request.
func randomConditions(random *rand.Rand) []eskip.Call {
	var calls []eskip.Call
	switch n := random.IntN(1000); {
	case n == 0:
	case n < 700:
		calls = append(calls, eskip.Call{Name: "Path", Args: []any{randomPattern(random)}})
	default:
		calls = append(calls, eskip.Call{Name: "PathSubtree", Args: []any{randomPattern(random)}})
	}
	for range random.IntN(4) {
		calls = append(calls, randomCondition(random))
	}
	random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	return calls
}

func randomCondition(random *rand.Rand) eskip.Call {
	switch random.IntN(8) {
	case 0:
		return eskip.Call{Name: "Host", Args: []any{eskip.Regexp("^" + strings.ReplaceAll(pick(random, hosts), ".", "[.]") + "$")}}
	case 1:
		return eskip.Call{Name: "Host", Args: []any{eskip.Regexp(pick(random, []string{"org$", "^www", "one|two"}))}}
	case 2:
		return eskip.Call{Name: "HostAny", Args: []any{pick(random, hosts), pick(random, hosts)}}
	case 3:
		return eskip.Call{Name: "Method", Args: []any{pick(random, []string{"GET", "POST"})}}
	case 4:
		return eskip.Call{Name: "Header", Args: []any{"X-A", pick(random, words)}}
	case 5:
		return eskip.Call{Name: "Traffic", Args: []any{float64(random.IntN(2))}}
	case 6:
		return eskip.Call{Name: "PathRegexp", Args: []any{eskip.Regexp("/" + pick(random, words) + "/?$")}}
	}
	return eskip.Call{Name: "Weight", Args: []any{float64(random.IntN(5) - 2)}}
}

func randomPattern(random *rand.Rand) string {
	var b strings.Builder
	for i := range random.IntN(5) {
		if random.IntN(4) == 0 {
			fmt.Fprintf(&b, "/:%s%d", pick(random, words), i)
			continue
		}
		b.WriteString("/" + pick(random, words))
	}
	switch random.IntN(6) {
	case 0:
		b.WriteString("/*rest")
	case 1:
		b.WriteString("/")
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func randomRequest(random *rand.Rand) *http.Request {
	var b strings.Builder
	for range random.IntN(6) {
		b.WriteString("/" + pick(random, append(words, words[0], words[1], "", ".", "..", "system")))
	}
	if b.Len() == 0 || random.IntN(4) == 0 {
		b.WriteString("/")
	}
	r := httptest.NewRequest(pick(random, []string{"GET", "POST", "PUT"}), "/", nil)
	r.URL.Path = b.String()
	r.Host = pick(random, append(hosts, "other", "ONE.org:80"))
	r.Header.Set("X-A", pick(random, words))
	return r
}

// reference is a list of rules.
type reference struct {
	rules []referenceRule
	trim  bool
}

type referenceRule struct {
	id         string
	subtree    bool
	hasPath    bool
	pattern    []string // a final "*" stands for the rest
	weight     int
	conditions []Predicate
}

func newReference(t *testing.T, rules []eskip.Rule, trim bool) reference {
	t.Helper()
	ref, ids, same := reference{trim: trim}, map[string]bool{}, map[string]bool{}
	specs := byName(Options{World: World{}.WithDefaults()}.conditions())
	for _, rule := range rules {
		r := referenceRule{id: rule.ID}
		var key []string
		drawn := false
		for _, call := range rule.Predicates {
			word := call.String()
			switch call.Name {
			case "Path", "PathSubtree":
				r.setPattern(call, trim)
				word = fmt.Sprint(call.Name, r.pattern)
			case "Weight":
				r.weight += int(call.Args[0].(float64))
			default:
				p, err := specs[call.Name].Create(call.Args)
				if err != nil {
					t.Fatal(err)
				}
				r.conditions = append(r.conditions, p)
				r.weight++
			}
			drawn = drawn || call.Name == "Traffic"
			key = append(key, word)
		}
		slices.Sort(key)
		conditions := strings.Join(slices.Compact(key), " ")
		if ids[r.id] || !drawn && same[conditions] {
			continue
		}
		ids[r.id] = true
		same[conditions] = same[conditions] || !drawn
		ref.rules = append(ref.rules, r)
	}
	return ref
}

func (r *referenceRule) setPattern(call eskip.Call, trim bool) {
	r.hasPath, r.subtree = true, call.Name == "PathSubtree"
	text := call.Args[0].(string)
	if (trim || r.subtree) && text != "/" {
		text = strings.TrimSuffix(text, "/")
	}
	for segment := range strings.SplitSeq(text[1:], "/") {
		if segment[:min(1, len(segment))] == ":" || segment == "*rest" {
			segment = segment[:1]
		}
		r.pattern = append(r.pattern, segment)
	}
	if r.subtree && text == "/" {
		r.pattern = nil
	}
	if r.subtree && (len(r.pattern) == 0 || r.pattern[len(r.pattern)-1] != "*") {
		r.pattern = append(r.pattern, "*")
	}
}

// find asks every rule and takes the best.
func (ref reference) find(r *http.Request) string {
	cleaned := path.Clean(r.URL.Path)
	for _, end := range []string{"/", "/.", "/.."} {
		if cleaned != "/" && strings.HasSuffix(r.URL.Path, end) {
			cleaned += "/"
			break
		}
	}
	if cleaned == "/system" || strings.HasPrefix(cleaned, "/system/") {
		return ""
	}
	if ref.trim && cleaned != "/" {
		cleaned = strings.TrimSuffix(cleaned, "/")
	}
	segments := strings.Split(cleaned[1:], "/")
	best, bestShape := -1, ""
	for i, rule := range ref.rules {
		shape, ok := rule.shape(segments)
		if !ok {
			continue
		}
		for _, p := range rule.conditions {
			ok = ok && p.Match(r)
		}
		if ok && (best < 0 || shape > bestShape || shape == bestShape && rule.beats(ref.rules[best])) {
			best, bestShape = i, shape
		}
	}
	if best < 0 {
		return ""
	}
	return ref.rules[best].id
}

// shape tells how a path is matched, segment by segment: 3 literally, 2 by :name, 1 by
// *rest. The greater text is the better match; without a path it is empty.
func (r referenceRule) shape(segments []string) (string, bool) {
	if !r.hasPath {
		return "", true
	}
	if !r.subtree {
		return shapeOf(r.pattern, segments)
	}
	root := r.pattern[:len(r.pattern)-1]
	for _, alternative := range [][]string{root, append(slices.Clone(root), ""), r.pattern} {
		if len(alternative) == 0 {
			continue
		}
		if shape, ok := shapeOf(alternative, segments); ok {
			return shape, true
		}
	}
	return "", false
}

func shapeOf(pattern, segments []string) (string, bool) {
	shape := ""
	for i, want := range pattern {
		switch {
		case want == "*":
			return shape + "1", i < len(segments) && strings.Join(segments[i:], "/") != ""
		case i >= len(segments):
			return "", false
		case want == ":" && segments[i] != "":
			shape += "2"
		case want == segments[i]:
			shape += "3"
		default:
			return "", false
		}
	}
	return shape, len(pattern) == len(segments)
}

func (r referenceRule) beats(other referenceRule) bool {
	if r.weight != other.weight {
		return r.weight > other.weight
	}
	if r.subtree != other.subtree {
		return other.subtree
	}
	return r.id < other.id
}
