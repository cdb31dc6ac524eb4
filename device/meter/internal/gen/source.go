package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// method is one op as its interface has it.
type method struct {
	name   string
	params []param
}

// source is what package device says.
type source struct {
	methods []method            // the ops, in order
	fields  map[string][]string // of the structs that hold Buffers: the names of those
	sets    map[string]bool     // of the structs that can say Set: their gradients are then written, and not added to
}

// param is a parameter of a method. Those of one type follow each other.
type param struct{ name, kind string }

const buffer = "device.Buffer"

// apart says whether a method is no op: it computes nothing, or waits. Upload is written by hand.
func apart(name string) bool {
	return strings.Contains(" Name Alloc Free Upload Download Sync Close ", " "+name+" ")
}

// read reads package device, which lies in dir.
func read(dir string) (src source, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return src, err
	}
	src.fields, src.sets = map[string][]string{}, map[string]bool{}
	interfaces, fset := map[string]*ast.InterfaceType{}, token.NewFileSet()
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return src, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				switch kind := t.Type.(type) {
				case *ast.InterfaceType:
					interfaces[t.Name.Name] = kind
				case *ast.StructType:
					src.fields["device."+t.Name.Name] = named(kind, "Buffer")
					src.sets["device."+t.Name.Name] = slices.Contains(named(kind, "bool"), "Set")
				}
			}
			return true
		})
	}
	whole := interfaces["Backend"]
	if whole == nil {
		return src, fmt.Errorf("%s has no interface Backend", dir)
	}
	for _, part := range whole.Methods.List {
		for _, f := range interfaces[part.Type.(*ast.Ident).Name].Methods.List {
			if name := f.Names[0].Name; !apart(name) {
				src.methods = append(src.methods, method{name, params(fset, f.Type.(*ast.FuncType))})
			}
		}
	}
	return src, nil
}

// named names the fields of a struct that are of a type.
func named(s *ast.StructType, kind string) (names []string) {
	for _, f := range s.Fields.List {
		if id, ok := f.Type.(*ast.Ident); ok && id.Name == kind {
			for _, name := range f.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// params names a method's parameters, with types as another package writes them.
func params(fset *token.FileSet, f *ast.FuncType) (all []param) {
	for _, field := range f.Params.List {
		ast.Inspect(field.Type, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.IsExported() {
				id.Name = "device." + id.Name
			}
			_, elsewhere := n.(*ast.SelectorExpr)
			return !elsewhere
		})
		var text bytes.Buffer
		format.Node(&text, fset, field.Type)
		for _, name := range field.Names {
			all = append(all, param{name.Name, text.String()})
		}
	}
	return all
}
