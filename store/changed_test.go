package store

import (
	"path/filepath"
	"testing"

	"faas-docker/function"
)

func TestFunctionsChanged_IsCalledWhenReadersSeeTheChange(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), function.DefaultNamespace)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var images []string
	s.FunctionsChanged = func() {
		image := ""
		for _, f := range s.Functions("") {
			image += f.Image
		}
		images = append(images, image)
	}
	name := function.Name{Name: "f", Namespace: function.DefaultNamespace}
	of := func(image string) function.Function {
		return function.Function{Spec: function.Spec{Name: name.Name, Namespace: name.Namespace, Image: image}}
	}
	become := func(image string) func(function.Function) function.Function {
		return func(function.Function) function.Function { return of(image) }
	}
	steps := []struct {
		what string
		act  func() error
		want string
	}{
		{"create", func() error { _, err := s.Create(of("1")); return err }, "1"},
		{"replace", func() error { _, err := s.Replace(name, become("2")); return err }, "2"},
		{"restore", func() error {
			_, err := s.Restore(name, func(function.Function) (function.Function, error) { return of("3"), nil })
			return err
		}, "3"},
		{"delete", func() error { return s.Delete(name) }, ""},
		{"adopt", func() error { return s.Adopt([]function.Function{of("4")}) }, "4"},
	}
	for i, step := range steps {
		if err := step.act(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if len(images) != i+1 || images[i] != step.want {
			t.Fatalf("%s: saw %q, want %q at last", step.what, images, step.want)
		}
	}
	if _, err := s.Replace(function.Name{Name: "g", Namespace: name.Namespace}, become("5")); err == nil || len(images) != len(steps) {
		t.Errorf("a change that failed: %v, saw %q", err, images)
	}
}
