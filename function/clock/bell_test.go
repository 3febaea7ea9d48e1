package clock

import "testing"

func TestBell_RemembersOneRing(t *testing.T) {
	t.Parallel()
	b := NewBell()
	for range 2 {
		select {
		case <-b:
			t.Fatal("a bell rang by itself")
		default:
		}
		b.Ring()
		b.Ring()
		<-b
	}
}
