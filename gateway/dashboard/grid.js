// The dashboard's table. Rows and buttons are keyed: a refresh patches texts and keeps the elements.
import { h } from "vue";

export default {
  props: { columns: Array, rows: Array, empty: String },
  emits: ["act"],
  methods: {
    classes(column, tone) {
      return [column.num && "num", column.wide && "wide", column.grow && "grow", tone];
    },
    cell(row, cell, column) {
      const buttons = (cell.buttons || []).map(([action, label, tone]) =>
        h("button", { key: action, class: ["btn", tone], onClick: () => this.$emit("act", action, row.key) }, label),
      );
      return h("td", { class: this.classes(column, cell.tone), title: cell.hint }, cell.buttons ? buttons : cell.text);
    },
  },
  render() {
    const head = this.columns.map((column) => h("th", { class: this.classes(column) }, column.label));
    const body = this.rows.map((row) =>
      h("tr", { key: row.key }, row.cells.map((cell, i) => this.cell(row, cell, this.columns[i]))),
    );
    return h("div", { class: "grid" }, [
      h("table", [h("thead", h("tr", head)), h("tbody", body)]),
      this.rows.length ? null : h("div", { class: "empty" }, this.empty),
    ]);
  },
};
