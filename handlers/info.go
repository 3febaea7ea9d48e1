package handlers

import (
	"net/http"
	"net/netip"
	"runtime"

	"github.com/openfaas/faas-provider/types"
)

// Version says which build of the provider answers. Empty fields are reported empty.
type Version = types.VersionInfo

// Behind says who calls /system/info.
type Behind string

// The callers that /system/info can be shaped for.
const (
	// BehindAuto knows an OpenFaaS gateway by what it alone does: it names its client in
	// X-Forwarded-For with the port. One that is not known reads all but the provider's name.
	BehindAuto Behind = "auto"
	// BehindDirect is for clients that call the provider itself, perhaps through a proxy.
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
	provider := types.ProviderInfo{Name: "faas-docker", Version: &a.Version, Orchestration: "docker"}
	if a.calledByGateway(r) {
		return writeJSON(w, http.StatusOK, provider)
	}
	return writeJSON(w, http.StatusOK, clientInfo{
		Provider:      provider,
		Version:       a.Version,
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
	_, err := netip.ParseAddrPort(r.Header.Get("X-Forwarded-For"))
	return err == nil && r.Header.Get("X-Forwarded-Host") != ""
}
