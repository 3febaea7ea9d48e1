package e2e

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"faas-docker/app"
	"faas-docker/routes/routestest"
)

func TestRoutes_TheDocumentsExampleOfTheAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	h, tried := patient(t), 0
	t.Cleanup(func() {
		for _, id := range []string{"docs-hello", "docs-a", "docs-b"} {
			_, _ = h.try(context.Background(), request{method: http.MethodDelete, path: "/system/routes/" + id})
		}
	})
	for _, block := range routestest.Blocks(string(text)) {
		if block.Kind != "http api" {
			continue
		}
		exchanges, err := routestest.Exchanges(block.Text)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exchanges {
			got := h.do(t, request{method: e.Method, path: e.Target, body: e.Body})
			if wrong := e.Wrong(got.StatusCode, got.Header.Get, got.body); wrong != "" {
				t.Errorf("%s %s: %s", e.Method, e.Target, wrong)
			}
			tried++
		}
	}
	if tried == 0 {
		t.Error("there is no example")
	}
}

func TestRoutesCheck_ExplainsEveryProblem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rules    string
		code     int
		out, err string
	}{
		{`a: Path("/x") -> "function:f"`, 0, "nothing is wrong with it (rules: 1)", ""},
		{"a: Path(\"/x\") -> \"function:f\";\nb: Pth(\"/y\") -> \"function:f\";\nc: Path(\"/z\"\n", 1, `line 2, column 4: rule "b": Pth("/y"): there is no condition "Pth"`, "2 of 3 rules cannot be used"},
		{"a: * -> basicAuth(\"/no/such\") -> <shunt>", 1, "line 1, column 9: rule \"a\": basicAuth(\"/no/such\"): \"/no/such\" is not below", "1 of 1"},
	} {
		file := t.TempDir() + "/routes.eskip"
		if err := os.WriteFile(file, []byte(test.rules), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, err strings.Builder
		code := app.Run(t.Context(), []string{"routes", "check", file}, env("HOME", "/home/alex"), &out, &err)
		if code != test.code || !strings.Contains(out.String(), test.out) || !strings.Contains(err.String(), test.err) || !strings.HasPrefix(out.String(), file+": ") {
			t.Errorf("%s: %d\n%s\n%s", test.rules, code, &out, &err)
		}
	}
	for _, args := range [][]string{{"routes"}, {"routes", "check"}, {"routes", "chek", "x"}, {"routes", "check", "/no/such/file"}} {
		var out, err strings.Builder
		if code := app.Run(t.Context(), args, env("HOME", "/home/alex"), &out, &err); code != 1 || err.Len() == 0 {
			t.Errorf("%v: %d %s", args, code, &err)
		}
	}
}
