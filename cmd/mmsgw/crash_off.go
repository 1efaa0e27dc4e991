//go:build !crashpoints

package main

// crashing leaves the seams alone: only a build with the tag crashpoints dies
// on request.
func crashing(s seams) seams { return s }
