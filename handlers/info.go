package handlers

import (
	"net/http"
	"runtime"

	"github.com/openfaas/faas-provider/types"
)

// Version says which build of the provider answers. Empty fields are reported
// empty.
type Version struct {
	// SHA is the commit it was built from.
	SHA string
	// Release is the version number.
	Release string
	// CommitMessage is the subject of that commit.
	CommitMessage string
}

// Behind says who calls /system/info.
type Behind string

// The callers that /system/info can be shaped for.
const (
	// BehindAuto takes a request with X-Forwarded-Host, which an OpenFaaS gateway
	// always sets, for the gateway's, and any other for a client's.
	BehindAuto Behind = "auto"
	// BehindDirect is for clients that call the provider itself, perhaps through a
	// proxy that also sets X-Forwarded-Host.
	BehindDirect Behind = "direct"
	// BehindGateway is for a provider that only an OpenFaaS gateway calls.
	BehindGateway Behind = "gateway"
)

// clientInfo is the shape that faas-cli and the SDKs read. The orchestration is
// repeated at the top, where a gateway that gets this shape still finds it.
type clientInfo struct {
	Provider      types.ProviderInfo `json:"provider"`
	Version       types.VersionInfo  `json:"version"`
	Orchestration string             `json:"orchestration"`
	Arch          string             `json:"arch"`
}

func (a *API) info(w http.ResponseWriter, r *http.Request) error {
	version := types.VersionInfo{
		SHA:           a.Version.SHA,
		Release:       a.Version.Release,
		CommitMessage: a.Version.CommitMessage,
	}
	provider := types.ProviderInfo{Name: "faas-docker", Version: &version, Orchestration: "docker"}
	if a.calledByGateway(r) {
		return writeJSON(w, http.StatusOK, provider)
	}
	return writeJSON(w, http.StatusOK, clientInfo{
		Provider:      provider,
		Version:       version,
		Orchestration: provider.Orchestration,
		Arch:          runtime.GOARCH,
	})
}

func (a *API) calledByGateway(r *http.Request) bool {
	switch a.Behind {
	case BehindDirect:
		return false
	case BehindGateway:
		return true
	}
	return r.Header.Get("X-Forwarded-Host") != ""
}
