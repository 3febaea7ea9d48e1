package app

import (
	"context"

	"faas-docker/function"
	"faas-docker/resolver"
	"faas-docker/routes"
)

// View is what tests may read of a program that runs, beyond what its API tells.
type View struct {
	Store interface {
		Function(function.Name) (function.Function, error)
	}
	Resolver interface {
		Members(function.Name) []resolver.Member
		Load(function.Name) function.Load
	}
	Engine interface {
		Swap(context.Context) (function.Swap, error)
		Memory(ctx context.Context, replica string) (int64, error)
	}
	Routes *routes.Mount
}

// View returns the parts of a as tests may read them.
func (a *App) View() View { return View{a.store, a.resolver, a.engine, a.routes} }
