package config

import "embed"

//go:embed sample.yaml
var files embed.FS

// Sample is a first configuration file: every key with what it means, at its
// default, and those of later releases commented out. It is valid as it stands.
func Sample() []byte {
	data, _ := files.ReadFile("sample.yaml") // cannot fail: the compiler put it there
	return data
}
