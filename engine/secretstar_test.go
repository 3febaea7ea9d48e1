package engine

import (
	"maps"
	"slices"
	"testing"
)

func TestSecrets_ArchiveHoldsEachValueOnce(t *testing.T) {
	t.Parallel()
	values := map[string][]byte{"token": []byte("s3cret"), "api.key": {0, 1, 2}, "empty": {}}
	packed, err := packSecrets(values)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackSecrets(packed)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, values, slices.Equal) {
		t.Errorf("got %v, want %v", got, values)
	}
}
