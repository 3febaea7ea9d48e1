package handlers

import (
	"net/http"

	"faas-docker/function"
)

// Stack is the stack file that the provider was given. All methods must be safe for
// concurrent use.
type Stack interface {
	// Report tells how the functions of the file are.
	Report() StackReport
	// Redeploy has the file read and deployed again, and returns at once.
	Redeploy()
}

// StackReport is the stack file as it is shown.
type StackReport struct {
	File string `json:"file"`
	// Problem is why nothing of the file can be used; empty if something can.
	Problem string `json:"problem,omitempty"`
	// Notes name the entries that were ignored, such as unknown keys, each with its place.
	Notes []string `json:"notes,omitempty"`
	// Busy is set while the file is being deployed.
	Busy      bool            `json:"busy,omitempty"`
	Functions []StackFunction `json:"functions"`
}

// The states of a function of the stack file.
const (
	StackDeploying = "deploying" // it is the next to be deployed
	StackWaiting   = "waiting"   // for a namespace or a secret that does not exist yet
	StackFailed    = "failed"    // it could not be deployed, and is tried again
	StackStarting  = "starting"  // it is deployed and does not answer yet
	StackReady     = "ready"     // it answers, or was scaled to zero
)

// StackFunction is one function of the stack file.
type StackFunction struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	State     string `json:"state"`
	// Reason says why the function is not ready, or what a call of a ready one needs.
	Reason string `json:"reason,omitempty"`
}

// answerStack shows the stack file, and with POST has it deployed again first.
func (a *API) answerStack(w http.ResponseWriter, r *http.Request) error {
	if a.Stack == nil {
		return function.NotFound("the provider has no stack file: set its variable stack_file")
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		a.Stack.Redeploy()
		status = http.StatusAccepted
	}
	return writeJSON(w, status, a.Stack.Report())
}
