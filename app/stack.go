package app

import (
	"faas-docker/function"
	"faas-docker/handlers"
	"faas-docker/stack"
)

// newStack returns what deploys the stack file; nil if there is none.
func (a *App) newStack() *stack.Keeper {
	if a.config.stackFile == "" {
		return nil
	}
	return stack.NewKeeper(stack.Settings{
		Path:      a.config.stackFile,
		Variables: a.config.stackEnvFile,
		Reader:    a.config.stackReader(),
		Fleet:     a.fleet,
		Store:     a.store,
		Logger:    a.logger.Named("stack"),
	})
}

func (c Config) stackReader() stack.Reader {
	return stack.Reader{Namespace: c.functionNamespace, Lookup: c.environment}
}

// stackFile is the stack file for the API; nil if there is none.
func (a *App) stackFile() handlers.Stack {
	if a.stack == nil {
		return nil
	}
	return stackFile{a.stack, a.config.stackFile, a.fleet.Status}
}

// stackFile tells how the functions are: until they are deployed the keeper knows, then the fleet.
type stackFile struct {
	*stack.Keeper
	path   string
	status func(function.Name) (function.Status, error)
}

// Report tells how the functions of the file are.
func (s stackFile) Report() handlers.StackReport {
	kept := s.Keeper.Report()
	report := handlers.StackReport{File: s.path, Busy: kept.Busy, Functions: []handlers.StackFunction{}}
	if kept.Err != nil {
		report.Problem = kept.Err.Error()
	}
	for _, note := range kept.Notes {
		report.Notes = append(report.Notes, note.String())
	}
	for _, f := range kept.Functions {
		report.Functions = append(report.Functions, s.shown(f))
	}
	return report
}

func (s stackFile) shown(f stack.Progress) handlers.StackFunction {
	states := map[stack.State]string{
		stack.Pending: handlers.StackDeploying, stack.Waiting: handlers.StackWaiting, stack.Failed: handlers.StackFailed,
	}
	state, reason := states[f.State], f.Reason
	if f.State == stack.Deployed {
		state, reason = s.deployed(f.Name)
	}
	return handlers.StackFunction{Name: f.Name.Name, Namespace: f.Name.Namespace, State: state, Reason: reason}
}

// deployed tells how a function is that was deployed: it may have been scaled to zero, or
// deleted, since. As long as the deployment before serves, the present one is starting.
func (s stackFile) deployed(name function.Name) (state, reason string) {
	status, err := s.status(name)
	switch {
	case err != nil:
		return handlers.StackReady, "it was deleted since"
	case status.Replicas == 0 || status.Available() > 0 && (status.Answered || !status.Previous.Serving()):
		return handlers.StackReady, restriction(status.Spec)
	}
	return handlers.StackStarting, status.Reason
}

// restriction tells what a call of the function by its name needs; empty means nothing.
func restriction(spec function.Spec) string {
	if closed, _ := spec.IsClosed(); closed {
		return "by its name only functions can call it (" + function.KeyExpose + ")"
	}
	if filters, _ := spec.AuthFilters(); filters != "" {
		return "it asks for credentials (" + function.KeyAuth + ")"
	}
	return ""
}
