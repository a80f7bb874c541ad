"""Branch and bound: covers a region with cells, and cuts the worst cells first."""
