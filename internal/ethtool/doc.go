// Package ethtool asks for and changes what the command of that name does: the
// features of an interface, and the requests of others.
package ethtool
