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
}

func (e *Error) Error() string { return e.Message }

// Invalid reports input that can never be right.
func Invalid(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// NotFound reports a name that nothing has.
func NotFound(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
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
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return http.StatusInternalServerError
}
