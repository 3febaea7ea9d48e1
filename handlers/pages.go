package handlers

import (
	"net/http"
	"net/url"
	"slices"
)

// PageGuard keeps web pages from the system API, whether or not it asks for credentials: a browser
// adds those that its user once typed to a page's requests, and takes every function under the
// same address for the API's own pages. The API may be looked at in a browser, but no page may
// read or change it. The zero value is usable.
type PageGuard struct {
	// Origins are those of pages that may call the API, such as
	// "http://127.0.0.1:8081" for an OpenFaaS gateway with its user interface.
	Origins []string
}

// Wrap lets no page's requests through to next, and marks the answers as nothing that
// a page may embed, read or run.
func (g PageGuard) Wrap(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		switch {
		case g.isOfAllowedPage(r):
			next.ServeHTTP(w, r)
		case crossOrigin.Check(r) != nil:
			refuse(w, http.StatusForbidden, "a web page of another site may not control the provider: add its origin to allowed_origins if it must")
		case isOfPage(r):
			refuse(w, http.StatusForbidden, "a web page may not control the provider, not even under the same address, where functions have theirs too: add its origin to allowed_origins if it must")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// protect makes an answer useless to pages. The sandbox is for one opened in a window of its own.
func protect(header http.Header) {
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

// isOfPage reports whether a browser says that a page has sent the request. Scripts
// cannot take away or forge the fields Sec-Fetch-*. Referer is another matter: scripts
// choose its path, so only its being there counts.
func isOfPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "" {
		// Programs that run on Node.js send Sec-Fetch-Mode alone.
		return r.Header.Get("Origin") != "" || r.Header.Get("Referer") != ""
	}
	// A service worker reads what the browser fetches ahead for it.
	if _, ahead := r.Header["Service-Worker-Navigation-Preload"]; ahead {
		return true
	}
	// What the user has typed or clicked is shown, and no page gets to read it.
	typed := site == "none"
	shown := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	isSafe := r.Method == http.MethodGet || r.Method == http.MethodHead
	return !typed && !(shown && isSafe)
}

// isOfAllowedPage goes by Origin, and where there is none, as in a GET, by Referer.
func (g PageGuard) isOfAllowedPage(r *http.Request) bool {
	if len(g.Origins) == 0 {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		page, err := url.Parse(r.Header.Get("Referer"))
		if err != nil || page.Host == "" {
			return false
		}
		origin = page.Scheme + "://" + page.Host
	}
	return slices.Contains(g.Origins, origin)
}
