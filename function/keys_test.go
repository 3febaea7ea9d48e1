package function

import (
	"errors"
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

func TestKeys_TheTableHasEveryKeyOfTheSource(t *testing.T) {
	found := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains([]string{"testdata", "enginetest", "bench", "functions"}, entry.Name()) || strings.HasPrefix(entry.Name(), ".g")):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			key, _ := strconv.Unquote(literal.Value)
			if !strings.HasPrefix(key, KeyPrefix) || key == KeyPrefix || filepath.Base(path) == "keys.go" {
				return true
			}
			found++
			if !isKnown(key, knownKeys()) && !slices.Contains([]string{HealthPrefix, ReadyPrefix}, key) {
				t.Errorf("%s speaks of %s, which knownKeys has not", path, key)
			}
			return true
		})
		return nil
	})
	if err != nil || found < 40 {
		t.Fatalf("found %d keys, %v; want at least 40", found, err)
	}
}

func TestKeys_UnknownOnesAreListedWithTheNearest(t *testing.T) {
	for key, want := range map[string]string{
		"com.openfaas.rollbak": "com.openfaas.rollback", "com.openfaas.scale.zeroo": "com.openfaas.scale.zero",
		"com.openfaas.call.timeouts": "com.openfaas.call.timeout", "com.openfaas.scale.Max": "com.openfaas.scale.max",
		"com.openfaas.updat.order": "com.openfaas.update.order", "com.openfaas.pullpolicy": "com.openfaas.pull-policy",
		"com.openfaas.polcy.retry": "com.openfaas.policy.retry", "com.openfaas.routes.shop": "com.openfaas.route.shop",
		"com.openfaas.pth": "com.openfaas.path", "com.openfaas.hots": "com.openfaas.host",
		"com.openfaas.ready.http.Path": "com.openfaas.ready.http.path", "com.openfaas.health.http.initialDelaySecond": "com.openfaas.health.http.initialDelaySeconds",
		"com.openfaas.capabilites": "com.openfaas.capabilities", "com.openfaas.scale.tagret": "com.openfaas.scale.target",
		"com.openfaas.something.else": "", "com.openfaas.": "", "com.openfaas.call_timeout_of_all": "",
	} {
		for kind, s := range map[string]Spec{"annotation": {Annotations: map[string]string{key: "1"}}, "label": {Labels: map[string]string{key: "1"}}} {
			got := s.Metadata().UnknownKeys()
			if len(got) != 1 || got[0].Key != key || got[0].Nearest != want {
				t.Errorf("%s %s: got %v, want %q", kind, key, got, want)
			}
			if err := s.Metadata().validateKeys(); err != nil {
				t.Errorf("%s %s: %v, want that it does no harm", kind, key, err)
			}
		}
	}
}

func TestKeys_KnownOnesAndOthersAreNotListed(t *testing.T) {
	for _, key := range append(guardKeys(),
		"com.openfaas.route.shop", "com.openfaas.policy.retry", "com.openfaas.scale.min", "com.openfaas.topic", "com.openfaas.schedule",
		"com.openfaas.ui.ext", "com.openfaas.cloud.git-owner", "com.openfaas.retry.attempts", "com.openfaas.health.http.path", "com.openfaas.profile",
		"com.openfaas.host", "com.openfaas.path", "topic", "schedule", "auth", "expose", "prometheus.io.scrape", "com.example.auth", "com.docker.compose.project", "faas_function",
	) {
		s := Spec{Annotations: map[string]string{key: "1"}, Labels: map[string]string{key: "1"}}
		if got := s.Metadata().UnknownKeys(); len(got) != 0 {
			t.Errorf("%s: got %v", key, got)
		}
	}
}

func TestKeys_AMisspeltGuardIsRefused(t *testing.T) {
	for key, want := range map[string]string{
		"com.openfaas.exposed": KeyExpose, "com.openfaas.expos": KeyExpose, "com.openfaas.exopse": KeyExpose, "com.openfaas.Expose": KeyExpose,
		"com.openfaas.expose.routes": KeyExpose, "com.openfaas.epxose": KeyExpose, "com.openfaas.expose ": KeyExpose, "com.openfaas.exspose": KeyExpose,
		"com.openfaas.exposure": KeyExpose, "com.openfass.expose": KeyExpose, "com.openfaas/expose": KeyExpose, "com.opnefaas.expose": KeyExpose,
		"com.openfaas.auht": KeyAuth, "com.openfaas.AUTH": KeyAuth, "com.openfaas.aut": KeyAuth, "com.openfaas.auths": KeyAuth,
		"com.openfaas.oauth": KeyAuth, "com.openfaas.authentication": KeyAuth, "com.openfaas.auth.basic": KeyAuth, "com.openfaas.atuh": KeyAuth,
		"com.openfass.auth": KeyAuth, "com.openfaas..auth": KeyAuth,
	} {
		for field, s := range map[string]Spec{"annotations": {Annotations: map[string]string{key: "routes"}}, "labels": {Labels: map[string]string{key: "routes"}}} {
			s.Name, s.Namespace, s.Image = "f", "openfaas-fn", "f"
			err := s.Validate()
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), field+"["+strconv.Quote(key)+"]") || !strings.Contains(err.Error(), want+"?") {
				t.Errorf("%s %q: got %v, want that it is refused and %s is named", field, key, err, want)
			}
		}
	}
}
