package handlers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/routes/routestest"
)

// The bodies of system calls are read in proportion to their length, whatever they hold.
func TestDecode_CostsInProportionToTheText(t *testing.T) {
	pieces := append(routestest.Pieces(), `{"service":`, `{"envVars":{`, `{"service":"a",`, `"labels":{"a":"b"},`, `{"secrets":["a",`, `"\ud800`, `"\\`, `1e1`, `null,`, `{"a":[`)
	for _, piece := range pieces {
		for _, frame := range []string{"%s", `{"service":%s`, `{"envVars":{"a":%s`, `{"x":[%s]}`, `{"labels":{%s}}`, `{"service":"%s"}`} {
			text := func(n int) string {
				return fmt.Sprintf(strings.Replace(frame, "%s", "%[1]s", 1), routestest.Repeated(piece)(n))
			}
			routestest.Linear(t, fmt.Sprintf("%s of %q", frame, piece), text, func(text string) {
				var into types.FunctionDeployment
				if err := decode([]byte(text), &into); err != nil && len(err.Error()) > 8<<10 {
					t.Errorf("%s of %q: an error of %d bytes", frame, piece, len(err.Error()))
				}
			})
		}
	}
	many := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"service":"f","secrets":["`)
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, `s%d","`, i)
		}
		return b.String() + `"]}`
	}
	routestest.Linear(t, "many secrets", many, func(text string) {
		var into types.FunctionDeployment
		if err := decode([]byte(text), &into); err != nil {
			t.Error(err)
		}
	})
}
