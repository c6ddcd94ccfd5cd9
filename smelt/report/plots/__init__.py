"""Pictures of the page: numbers in, inline SVG out. Every panel is 400 units wide, so that text keeps its size on any screen."""
