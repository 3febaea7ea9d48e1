package upstream

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestExplainBody_AnHTTP2ClientThatGoesAwayEndsItsBodyFirst(t *testing.T) {
	cause := errors.New("client disconnected")
	for _, one := range []struct {
		protocol int
		goes     bool
		want     error
		took     time.Duration
	}{
		{protocol: 2, goes: true, want: ErrClientGone, took: time.Millisecond},
		{protocol: 2, want: ErrBadBody, took: goneTime},
		{protocol: 1, goes: true, want: ErrBadBody},
		{protocol: 1, want: ErrBadBody},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if one.goes {
				defer time.AfterFunc(time.Millisecond, cancel).Stop()
			}
			began := time.Now()
			got := ExplainBody(ctx, &http.Request{ProtoMajor: one.protocol}, cause)
			if took := time.Since(began); !errors.Is(got, one.want) || !errors.Is(got, cause) || took != one.took {
				t.Errorf("HTTP/%d, client goes away %t: %v after %v; want %v after %v", one.protocol, one.goes, got, took, one.want, one.took)
			}
		})
	}
}
