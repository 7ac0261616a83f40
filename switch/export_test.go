package vswitch

// TooBigAnswer is for a fuzz target that gives it bytes a port never would.
var TooBigAnswer = tooBigAnswer
