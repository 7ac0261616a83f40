package ctl

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is a failure that the caller can do something about. Message is one
// line for people: what, where and what to do.
type Error struct {
	Status  int    // HTTP status
	Message string // without the program's name

	// Field is the field at fault in its JSON name (vni, address[1],
	// networks[0].vni) and Problem is Message without whose field it is. Both
	// are set by the Validate methods only and do not travel over the socket.
	Field, Problem string
}

func (e *Error) Error() string { return e.Message }

// ErrNoDaemon is wrapped by a [Client]'s error when nobody serves the socket.
var ErrNoDaemon = errors.New("no weft daemon answers")

// Invalid reports input that can never be right.
func Invalid(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// NotFound reports a name that nothing has.
func NotFound(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

// NoNetwork is the [NotFound] for a network.
func NoNetwork(name string) error {
	return NotFound("no network %s (see \"weft network ls\")", quote(name))
}

// NoPort is the [NotFound] for a port.
func NoPort(name string) error {
	return NotFound("no port %s (see \"weft port ls\")", quote(name))
}

// NoPeer is the [NotFound] for a remote VTEP.
func NoPeer(address string) error {
	return NotFound("no peer %s (see \"weft peer ls\")", quote(address))
}

// Conflict reports a clash with what is there.
func Conflict(format string, args ...any) error {
	return &Error{Status: http.StatusConflict, Message: fmt.Sprintf(format, args...)}
}

// Failed reports that the system refused something that was asked for rightly.
func Failed(format string, args ...any) error {
	return &Error{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf(format, args...)}
}

// StatusOf gives the HTTP status for an error: its own, or 500.
func StatusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return http.StatusInternalServerError
}

// quote quotes what a user wrote, cut to a length that fits a line.
func quote(s string) string {
	const most = 80 // characters: longer than every name that is valid
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
