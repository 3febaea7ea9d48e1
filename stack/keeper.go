package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"faas-docker/function"
	"faas-docker/function/clock"
)

const (
	// retryMax is the longest pause between two attempts.
	retryMax = time.Minute
	// deployments is how many functions are deployed at a time.
	deployments = 8
)

// Fleet deploys functions.
type Fleet interface {
	// Ensure deploys a function unless it is deployed exactly so.
	Ensure(ctx context.Context, spec function.Spec) error
}

// Store knows what exists. Anything else is an ErrNotFound.
type Store interface {
	Function(name function.Name) (function.Function, error)
	Namespace(name string) (function.Namespace, error)
	Secrets(namespace string) []string
}

// State is how far a function of the stack file is.
type State int

// The states. Pending is the zero value.
const (
	// Pending functions are about to be deployed.
	Pending State = iota
	// Deployed functions are the fleet's from now on.
	Deployed
	// Waiting functions are deployed as soon as a namespace or a secret exists.
	Waiting
	// Failed functions are tried again after a pause.
	Failed
)

// Progress is one function of the stack file and how far it is.
type Progress struct {
	Name  function.Name
	State State
	// Reason says why the function is Waiting or Failed.
	Reason string
}

// Report is what became of the stack file.
type Report struct {
	// Err says why nothing of the file can be used.
	Err error
	// Notes name the entries that were ignored.
	Notes []Note
	// Functions are sorted by name.
	Functions []Progress
	// Busy is set while the file is to be read, or its functions are being deployed.
	Busy bool
}

// Keeper deploys a stack file once Run is called, until all of it is deployed, and leaves deployed
// functions alone. Make it with NewKeeper; all methods are safe for concurrent use.
type Keeper struct {
	Settings
	bell clock.Bell

	// mu protects the fields below.
	mu     sync.Mutex
	anew   bool // everything is to be deployed again
	report Report
	// seen is the revision of each function when it was looked at; zero for none. A deployment
	// by hand since then wins.
	seen map[function.Name]uint64
	told map[string]bool // the lines that were logged
}

// Settings are what a Keeper needs. All but Variables are required.
type Settings struct {
	// Path is the stack file.
	Path string
	// Variables is a file of variables, which count before those of Reader; see
	// ReadVariables. Empty means none.
	Variables string
	Reader    Reader
	Fleet     Fleet
	Store     Store
	Logger    hclog.Logger
	// Retry is the pause after the first attempt that failed; it doubles up to a minute.
	// Zero means 2 s.
	Retry time.Duration
}

// NewKeeper returns a Keeper that has not begun.
func NewKeeper(settings Settings) *Keeper {
	if settings.Retry == 0 {
		settings.Retry = 2 * time.Second
	}
	return &Keeper{
		Settings: settings,
		bell:     clock.NewBell(),
		anew:     true,
		report:   Report{Busy: true},
	}
}

// Report tells how far the functions are.
func (k *Keeper) Report() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	report := k.report
	report.Functions = slices.Clone(report.Functions)
	return report
}

// Ring says that a namespace or a secret was created. It returns at once.
func (k *Keeper) Ring() { k.bell.Ring() }

// Redeploy reads the file again and deploys all of it that is deployed otherwise, or whose image is
// another by now. It returns at once; Report tells no more of an earlier reading.
func (k *Keeper) Redeploy() {
	k.mu.Lock()
	k.anew, k.report = true, Report{Busy: true}
	k.mu.Unlock()
	k.Ring()
}

// Run deploys until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	wait := k.Retry
	for ctx.Err() == nil {
		if k.begin() {
			wait = k.Retry
		}
		k.attempt(ctx)
		var again <-chan time.Time
		if k.hasFailed() {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-k.bell:
		case <-again:
			wait = min(2*wait, retryMax)
		}
	}
}

// begin forgets which functions are deployed if all are to be deployed again, and reports that.
func (k *Keeper) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.anew {
		return false
	}
	k.anew, k.report = false, Report{Busy: true}
	k.seen, k.told = map[function.Name]uint64{}, map[string]bool{}
	return true
}

func (k *Keeper) hasFailed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	isFailed := func(f Progress) bool { return f.State == Failed }
	return k.report.Err != nil || slices.ContainsFunc(k.report.Functions, isFailed)
}

// attempt reads the file and deploys the functions that are not deployed. It reads the file each time,
// because a user may have mended it.
func (k *Keeper) attempt(ctx context.Context) {
	if k.isDone() {
		return
	}
	file, err := k.read()
	todo := k.take(file, err)
	var group errgroup.Group
	group.SetLimit(deployments)
	for _, f := range todo {
		group.Go(func() error {
			state, reason := k.deploy(ctx, f)
			if ctx.Err() == nil {
				k.settle(f, state, reason)
			}
			return nil
		})
	}
	_ = group.Wait()
	k.mu.Lock()
	k.report.Busy = k.anew
	k.mu.Unlock()
}

func (k *Keeper) isDone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	isOpen := func(f Progress) bool { return f.State != Deployed }
	return !k.report.Busy && k.report.Err == nil && !slices.ContainsFunc(k.report.Functions, isOpen)
}

func (k *Keeper) read() (File, error) {
	variables, notes, err := ReadVariables(k.Variables)
	if err != nil {
		return File{}, fmt.Errorf("stack_env_file: %w", err)
	}
	reader := k.Reader
	reader.Lookup = func(name string) (string, bool) {
		if value, set := variables[name]; set {
			return value, true
		}
		return k.Reader.lookup(name)
	}
	file, err := reader.Read(k.Path)
	file.Notes = append(notes, file.Notes...)
	return file, err
}

// take makes the report that of the file, and returns the functions that are still to be deployed;
// none where the file is to be read again already.
func (k *Keeper) take(file File, err error) []Function {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.anew {
		return nil
	}
	before := map[function.Name]Progress{}
	for _, f := range k.report.Functions {
		before[f.Name] = f
	}
	k.report.Err = err
	if err != nil {
		k.tell(err.Error(), func() { k.Logger.Error("stack file not deployed", "err", err) })
		return nil
	}
	k.report.Notes, k.report.Functions = file.Notes, nil
	for _, n := range file.Notes {
		k.tell(n.String(), func() {
			k.Logger.Warn("stack file entry ignored", "file", n.File, "line", n.Line, "key", n.Key, "reason", n.Text)
		})
	}
	var todo []Function
	for _, f := range file.Functions {
		progress := before[f.Spec.ID()]
		progress.Name = f.Spec.ID()
		k.report.Functions = append(k.report.Functions, progress)
		if progress.State != Deployed {
			todo = append(todo, f)
		}
	}
	return todo
}

// deploy tries to deploy one function.
func (k *Keeper) deploy(ctx context.Context, f Function) (State, string) {
	if f.Err != nil {
		return Failed, f.Err.Error()
	}
	if k.isReplaced(f.Spec.ID()) {
		k.Logger.Info("stack function not deployed again: it was changed by hand", "function", f.Spec.ID())
		return Deployed, ""
	}
	if missing := k.missing(f.Spec); missing != "" {
		return Waiting, missing
	}
	if err := k.Fleet.Ensure(ctx, f.Spec); err != nil {
		return Failed, err.Error()
	}
	return Deployed, ""
}

// isReplaced reports whether a function was changed since it was first looked at.
func (k *Keeper) isReplaced(name function.Name) bool {
	deployed, _ := k.Store.Function(name) // one that does not exist has revision zero
	k.mu.Lock()
	defer k.mu.Unlock()
	before, known := k.seen[name]
	k.seen[name] = deployed.Revision
	return known && before != deployed.Revision
}

// missing names the secrets and namespaces to be created before the function can be deployed.
func (k *Keeper) missing(spec function.Spec) string {
	if _, err := k.Store.Namespace(spec.Namespace); errors.Is(err, function.ErrNotFound) {
		return fmt.Sprintf("namespace %q does not exist: faas-cli namespace create %s", spec.Namespace, spec.Namespace)
	}
	there := k.Store.Secrets(spec.Namespace)
	for _, name := range spec.Secrets {
		if !slices.Contains(there, name) {
			return fmt.Sprintf("secret %q does not exist in namespace %q: faas-cli secret create %s --from-file FILE --namespace %s", name, spec.Namespace, name, spec.Namespace)
		}
	}
	return ""
}

// settle writes down how far a function is, and logs it if that is new.
func (k *Keeper) settle(f Function, state State, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := f.Spec.ID()
	for i := range k.report.Functions {
		if k.report.Functions[i].Name == name {
			k.report.Functions[i].State, k.report.Functions[i].Reason = state, reason
		}
	}
	k.tell(name.String()+": "+reason, func() {
		switch state {
		case Waiting:
			k.Logger.Warn("stack function waiting", "function", name, "file", k.Path, "line", f.Line, "reason", reason)
		case Failed:
			k.Logger.Error("stack function not deployed", "function", name, "file", k.Path, "line", f.Line, "err", reason)
		}
	})
}

// tell logs a line unless it was logged before.
func (k *Keeper) tell(what string, log func()) {
	if !k.told[what] {
		k.told[what] = true
		log()
	}
}
