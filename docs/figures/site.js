// Long tables get a box that shows the rows with what is typed. On a phone, rows with much text stand as blocks.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll(".md-typeset table:not([class])")) {
    const rows = [...table.tBodies[0].rows]
    const names = [...table.rows[0].cells].map(cell => cell.textContent)
    if (names.length > 2 && rows.some(row => [...row.cells].some(cell => cell.textContent.length > 60))) {
      table.dataset.rows = "blocks"
      for (const row of rows) [...row.cells].forEach((cell, column) => (cell.dataset.name = names[column]))
    }
    if (rows.length < 15) continue
    const box = document.createElement("input")
    box.type = "search"
    box.className = "rows-with"
    box.placeholder = `Show rows with … (${rows.length})`
    box.setAttribute("aria-label", "Show rows with")
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/)
      for (const row of rows) {
        const text = row.textContent.toLowerCase()
        row.hidden = !words.every(word => text.includes(word))
      }
    })
    table.before(box)
  }
})
