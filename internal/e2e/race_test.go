//go:build race

package e2e

func init() { raceFlags = []string{"-race"} } //nolint:gochecknoinits // a build tag can set a variable in no other way
