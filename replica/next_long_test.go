//go:build long

package replica

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestNext_HoldsItsLawsInTenMillionSteps(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			walk(t, rand.New(rand.NewPCG(seed, 7)), 1_500_000)
		})
	}
}
