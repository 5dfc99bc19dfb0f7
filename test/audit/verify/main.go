// Verify reads a question about an audit as JSON on standard input and prints its verdict as JSON. It knows nothing of
// Slipway but the documented formats: notes and trees are golang.org/x/mod's.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type entry struct {
	Line  string   `json:"line"`
	Index int64    `json:"index"`
	Proof []string `json:"proof"`
}

type question struct {
	VerifierKeys []string `json:"verifierKeys"`
	Checkpoint   string   `json:"checkpoint"`
	Entries      []entry  `json:"entries"`
	// A checkpoint that was seen before, and the proof that the present tree began as it.
	Older       string   `json:"older"`
	Consistency []string `json:"consistency"`
	// What GET /v1/audit/export?form=proof answered, from the first entry on.
	Export string `json:"export"`
}

type verdict struct {
	OK    bool   `json:"ok"`
	Size  int64  `json:"size"`
	Error string `json:"error,omitempty"`
	Entry int64  `json:"entry,omitempty"`
}

type tree struct {
	origin string
	size   int64
	root   tlog.Hash
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fail(0, "the question: %v", err)
	}
	now := open(asked.VerifierKeys, asked.Checkpoint)
	for _, one := range asked.Entries {
		if err := tlog.CheckRecord(hashes(one.Proof), now.size, now.root, one.Index, tlog.RecordHash([]byte(one.Line))); err != nil {
			fail(one.Index+1, "inclusion: %v", err)
		}
	}
	if asked.Older != "" {
		old := open(asked.VerifierKeys, asked.Older)
		if err := tlog.CheckTree(tlog.TreeProof(hashes(asked.Consistency)), now.size, now.root, old.size, old.root); err != nil {
			fail(0, "consistency: %v", err)
		}
	}
	if asked.Export != "" {
		checkExport(asked.VerifierKeys, asked.Export)
	}
	say(verdict{OK: true, Size: now.size})
}

// open checks the signature of every key and reads the checkpoint below it.
func open(keys []string, text string) tree {
	var verifiers []note.Verifier
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			fail(0, "the key: %v", err)
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if err != nil {
		fail(0, "the note: %v", err)
	}
	if len(opened.Sigs) != len(keys) {
		fail(0, "%d of %d keys signed", len(opened.Sigs), len(keys))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifiers[0].Name() {
		fail(0, "the checkpoint has another form: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail(0, "the size: %v", err)
	}
	return tree{lines[0], size, hash(lines[2])}
}

// checkExport builds the tree from the lines alone. Where its root is not the signed one, the leaves that the service
// kept say which line is not what it was.
func checkExport(keys []string, text string) {
	var stored []tlog.Hash
	var kept []tlog.Hash
	var wrong, next int64
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	var leaves []tlog.Hash
	scanner := bufio.NewScanner(strings.NewReader(text))
	scanner.Buffer(make([]byte, 1<<20), 1<<26)
	signed := tree{size: -1}
	for scanner.Scan() {
		line := scanner.Text()
		var said struct {
			Log        string   `json:"log"`
			First      int64    `json:"first"`
			Entry      int64    `json:"entry"`
			Leaf       string   `json:"leaf"`
			Missing    bool     `json:"missing"`
			Leaves     []string `json:"leaves"`
			Checkpoint string   `json:"checkpoint"`
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			fail(next+1, "a line is no JSON: %v", err)
		}
		switch {
		case said.Log != "":
			if said.First != 1 {
				fail(0, "this program reads exports from the first entry on")
			}
		case said.Leaves != nil:
			kept = append(kept, hashes(said.Leaves)...)
		case said.Checkpoint != "":
			signed = open(keys, said.Checkpoint)
		case said.Missing:
			fail(said.Entry, "removed")
		default:
			next++
			if said.Entry != next {
				fail(said.Entry, "inserted, or another one is removed")
			}
			if said.Leaf != "" {
				leaves = append(leaves, hash(said.Leaf))
			} else {
				leaves = append(leaves, tlog.RecordHash([]byte(line)))
			}
		}
	}
	for i, leaf := range leaves {
		if wrong == 0 && (i >= len(kept) || kept[i] != leaf) {
			wrong = int64(i) + 1
		}
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			fail(int64(i)+1, "the tree: %v", err)
		}
		stored = append(stored, more...)
	}
	if wrong != 0 {
		fail(wrong, "changed")
	}
	if signed.size != int64(len(leaves)) {
		fail(0, "%d entries, and a checkpoint of %d", len(leaves), signed.size)
	}
	root, err := tlog.TreeHash(signed.size, reader)
	if err != nil {
		fail(0, "the root: %v", err)
	}
	if root != signed.root {
		fail(0, "the lines are not the ones that were signed")
	}
}

func hash(text string) tlog.Hash {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != tlog.HashSize {
		fail(0, "%q is no hash", text)
	}
	return tlog.Hash(raw)
}

func hashes(texts []string) []tlog.Hash {
	found := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		found[i] = hash(text)
	}
	return found
}

func fail(entry int64, format string, values ...any) {
	say(verdict{Error: fmt.Sprintf(format, values...), Entry: entry})
	os.Exit(0)
}

func say(said verdict) {
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		panic(err)
	}
}
