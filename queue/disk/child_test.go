package disk

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"faas-docker/queue"
)

// childFolder names the folder of the queue that this test binary works on as another process.
const childFolder = "QUEUE_TEST_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		if err := workForever(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const (
	childCallers = 8
	childMakers  = 4
)

// workForever accepts and settles calls until it is killed. It prints "accepted ID" and "done ID" once that is
// acknowledged, and "settling ID" before: of that one call the outcome is open.
func workForever(folder string) error {
	q, err := Open(folder, Options{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(what string, id queue.ID) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what, id)
	}
	ended := make(chan error)
	for range childCallers {
		go func() { ended <- acceptForever(q, say) }()
	}
	for range childMakers {
		go func() { ended <- settleForever(q, say) }()
	}
	return <-ended
}

func acceptForever(q *Queue, say func(string, queue.ID)) error {
	for i := 0; ; i++ {
		c := sample("a", 0)
		body, err := q.Keep(strings.NewReader(bodyOfCall(i)))
		if err != nil {
			return err
		}
		c.Request.Body, c.Request.Path = body, fmt.Sprint("/", i)
		if err := q.Accept(context.Background(), c); err != nil {
			return err
		}
		say("accepted", c.ID)
	}
}

// bodyOfCall is sometimes short and sometimes so long that it gets a file.
func bodyOfCall(i int) string { return strings.Repeat(fmt.Sprint(i, ","), 1+i%3*20_000) }

func settleForever(q *Queue, say func(string, queue.ID)) error {
	for {
		claimed, err := q.Claim("a", 2)
		if err != nil {
			return err
		}
		for _, c := range claimed[:len(claimed)/2] { // of two calls one remains
			say("settling", c.ID)
			c.State = queue.Done
			if err := q.Settle(context.Background(), queue.Settlement{Call: c}); err != nil {
				return err
			}
			say("done", c.ID)
		}
	}
}

func TestQueue_KeepsWhatItAcknowledgedWhenKilled(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	said := map[string]string{}
	for round := range 5 {
		untilKilled(t, folder, 300+100*round, said)
		checkAll(t, folder, said)
	}
	t.Logf("%d calls were told of", len(said))
}

// untilKilled runs a child, kills it when it has said so many lines, and notes how far each call has come.
func untilKilled(t *testing.T, folder string, lines int, said map[string]string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childFolder+"="+folder)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for read := bufio.NewScanner(out); read.Scan(); lines-- {
		// Of two goroutines the one that has accepted a call may be the last to say so.
		if what, id, whole := strings.Cut(read.Text(), " "); whole && len(id) == 36 && (what != "accepted" || said[id] == "") {
			said[id] = what
		}
		if lines == 0 {
			_ = child.Process.Kill() // what it has said is still read
		}
	}
	_ = child.Wait()
	if lines > 0 {
		t.Fatal("the child has ended by itself")
	}
}

func checkAll(t *testing.T, folder string, said map[string]string) {
	t.Helper()
	q := open(t, folder, Options{})
	defer q.Close()
	for text, what := range said {
		var id queue.ID
		if err := id.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		c, err := q.Find(id)
		switch {
		case err != nil:
			t.Fatalf("a call that was %s: %v", what, err)
		case what == "done" && c.State != queue.Done, what == "accepted" && c.State != queue.Ready:
			t.Errorf("a call that was %s is %s", what, c.State)
		case c.State == queue.Ready && !hasItsBody(t, q, c):
			t.Errorf("a call that was %s has lost its body", what)
		}
	}
}

func hasItsBody(t *testing.T, q *Queue, c *queue.Call) bool {
	t.Helper()
	body, err := q.Open(c.Request.Body)
	if err != nil {
		return false
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	var i int
	fmt.Sscanf(c.Request.Path, "/%d", &i)
	return err == nil && string(text) == bodyOfCall(i)
}
