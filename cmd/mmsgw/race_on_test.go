//go:build race

package main

// raced tells that the tests run with the race detector; what they start does too.
const raced = true
