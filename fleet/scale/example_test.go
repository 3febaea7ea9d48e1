package scale_test

import (
	"fmt"
	"time"

	"faas-docker/fleet/scale"
	"faas-docker/function"
)

// A worker of the fleet asks in this order: how many replicas, which of them, and
// whether the host has room.
func Example() {
	spec := function.Spec{Name: "resize", Labels: map[string]string{
		scale.LabelType:           "capacity",
		scale.LabelTarget:         "10",
		scale.LabelMax:            "4",
		scale.LabelFreezeDuration: "30s",
		scale.LabelStandby:        "1",
	}}
	policy, err := scale.Parse(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(1_700_000_000, 0)
	autoscaler := scale.NewAutoscaler(policy)

	// 15 calls have come to the one replica that runs; a spare is frozen.
	sample := scale.Sample{At: now, InFlight: 15, Calls: 15, Ready: 1, Desired: 1}
	autoscaler.Observe(sample)
	decision := autoscaler.Decide(now)
	fmt.Println(decision.Replicas, "replicas:", decision.Why)

	plan := scale.Warmth(scale.WarmthView{
		Now: now, Policy: autoscaler.Policy(),
		Want: decision.Replicas, Busy: autoscaler.Policy().Need(sample), IdleSince: autoscaler.IdleSince(),
		Replicas: []scale.Warm{
			{ID: "a", Ready: true, InFlight: 15, LastUsed: now},
			{ID: "b", Frozen: true, Since: now.Add(-time.Hour)},
		},
	})
	fmt.Printf("thaw %v, start %d, and %d as a spare\n", plan.Thaw, plan.Start, plan.Spares)

	room := scale.Admit(scale.Reservation(spec), true, scale.Budget{
		Capacity: scale.Reservable(scale.Resources{Memory: 64 << 20}),
		Replicas: []scale.Reserved{
			{ID: "a", Resources: scale.Reservation(spec)},
			{ID: "b", Resources: scale.Reservation(spec)},
		},
	})
	fmt.Println(room.Reason)
	// Output:
	// 2 replicas: capacity at 10 each: the last minute needs 2, the last seconds 2 (panic)
	// thaw [b], start 0, and 1 as a spare
	// the host has no room for a replica that reserves 32 MiB of memory: 0 MiB of 57 MiB are free; lower its memory request or limit, or scale other functions down
}
