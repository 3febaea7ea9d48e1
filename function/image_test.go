package function

import "testing"

func TestParsePullPolicy_KnowsItsNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]PullPolicy{
		"Always": PullAlways, "IfNewer": PullIfNewer, "IfNotPresent": PullIfNotPresent, "Never": PullNever,
		"always": PullAlways, "ifnewer": PullIfNewer, "IFNOTPRESENT": PullIfNotPresent, "nEVER": PullNever,
	} {
		if got, err := ParsePullPolicy(text); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Sometimes", "Always ", "true", "missing"} {
		if got, err := ParsePullPolicy(text); err == nil {
			t.Errorf("%q: got %q, want an error", text, got)
		}
	}
}

func TestSpec_PullPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                string
		annotations, labels map[string]string
		want                PullPolicy
		field               string // of the error; empty means valid
	}{
		{"not said", nil, nil, PullNever, ""},
		{"annotation", map[string]string{AnnotationPullPolicy: "Always"}, nil, PullAlways, ""},
		{"label", nil, map[string]string{AnnotationPullPolicy: "always"}, PullAlways, ""},
		{"annotation before label", map[string]string{AnnotationPullPolicy: "IfNewer"}, map[string]string{AnnotationPullPolicy: "Always"}, PullIfNewer, ""},
		{"no policy", map[string]string{AnnotationPullPolicy: "daily"}, nil, PullNever, `annotations["com.openfaas.pull-policy"]`},
		{"empty", nil, map[string]string{AnnotationPullPolicy: ""}, PullNever, `labels["com.openfaas.pull-policy"]`},
	} {
		spec := Spec{Name: "f", Namespace: "dev", Image: "i", Annotations: test.annotations, Labels: test.labels}
		got, err := spec.PullPolicy(PullNever)
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		wantInvalid(t, err, test.field)
		wantInvalid(t, spec.Validate(), test.field)
	}
}
