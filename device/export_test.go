package device

import "cuflow/kernels"

// PickTile makes a gpu Backend use the i-th of the tiles that a convolution can have, whatever its shape.
func PickTile(be Backend, i int) {
	be.(*gpu).pick = func(k tileKey) kernels.Tile {
		if k.op == "weight" {
			tiles := kernels.WeightTiles(k.p, k.k, k.rows, k.cols, k.m)
			return tiles[min(i, len(tiles)-1)]
		}
		return kernels.ConvTiles(k.p, k.op, k.k, k.rows, k.cols, k.m)[i]
	}
}
