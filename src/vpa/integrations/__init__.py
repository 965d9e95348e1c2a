"""Other frameworks' store interfaces over a collection. Each needs its framework: `pip install "vpa[langchain]"` or
`"vpa[haystack]"`.
"""
