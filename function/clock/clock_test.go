package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := Sleep(t.Context(), time.Minute); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("got %v after %s, want nil after a minute", err, time.Since(begun))
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		begun = time.Now()
		if err := Sleep(ctx, time.Minute); err != why || time.Since(begun) != time.Second {
			t.Errorf("got %v after %s, want the cause after a second", err, time.Since(begun))
		}
		if err := Sleep(ctx, 0); err != why {
			t.Errorf("got %v for no time, want the cause", err)
		}
		if err := Sleep(t.Context(), 0); err != nil {
			t.Errorf("got %v for no time, want nil", err)
		}
	})
}
