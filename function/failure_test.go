package function

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFailures_AreOfALengthThatAPersonReads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1<<20)
	for name, err := range map[string]error{
		"field":       Invalid(long, "%q: want a name", "x"),
		"value":       Invalid("service", "%q: want a name", long),
		"not found":   NotFound("function %q is not deployed", long),
		"conflict":    Conflict("function %q exists", long),
		"unavailable": Unavailable(nil, "image %q cannot be pulled", long),
		"unknown":     UnknownFunction(Name{Name: long, Namespace: long}),
	} {
		if text := err.Error(); len(text) > maxText || !utf8.ValidString(text) || !strings.Contains(text, "…") {
			t.Errorf("%s: %d bytes, valid %t", name, len(text), utf8.ValidString(text))
		}
	}
	const head, tail = "service: ", "want a name"
	if text := Invalid("service", "%q: want a name", long).Error(); !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tail) {
		t.Errorf("got %q, want its beginning and its end", text)
	}
	if text := strings.Repeat("x", maxText); Clip(text) != text {
		t.Error("a text of the greatest length was cut")
	}
}
