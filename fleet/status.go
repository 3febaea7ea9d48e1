package fleet

import (
	"fmt"

	"faas-docker/function"
)

// Status tells what is true of a function now, from memory. A function that is
// not deployed is an ErrNotFound.
func (f *Fleet) Status(name function.Name) (function.Status, error) {
	deployed, err := f.Store.Function(name)
	if err != nil {
		return function.Status{}, err
	}
	return f.status(deployed), nil
}

// List tells the same of all functions of a namespace, sorted by name; of every
// namespace when it is empty.
func (f *Fleet) List(namespace string) []function.Status {
	functions := f.Store.Functions(namespace)
	list := make([]function.Status, len(functions))
	for i, deployed := range functions {
		list[i] = f.status(deployed)
	}
	return list
}

func (f *Fleet) status(deployed function.Function) function.Status {
	status := function.Status{Function: deployed, Load: f.Resolver.Load(deployed.ID()), Reason: f.diary.reason(deployed.ID())}
	status.Invocations = f.Calls(deployed.ID())
	if deployed.Previous != nil {
		status.Kept = f.kept(deployed.ID(), deployed.Previous.Revision)
	}
	awaited := f.Awaited(deployed.ID())
	switch updating := deployed.Previous.Serving() && awaited != ""; {
	case status.Reason != "", status.Available() >= deployed.Replicas && !updating:
	case deployed.ImageID == "":
		status.Reason = fmt.Sprintf("image %q is being fetched", deployed.Image)
	case awaited != "":
		status.Reason = "starting: " + awaited
	default:
		status.Reason = "starting"
	}
	return status
}
