// Browsers start no worker from a file:// page. The search of the site is a worker, so that a site
// that is opened as files needs another place for it: a hidden frame. The interface is that of
// github.com/squidfunk/iframe-worker (MIT), which the generator would fetch from the network.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.appendChild(this.frame)
      const inside = this.frame.contentWindow
      inside.document.open()
      inside.document.write(
        `<body><script>
          postMessage = message => parent.postMessage(message, "*")
          importScripts = (...urls) => urls.reduce((before, url) => before.then(() =>
            new Promise(loaded => {
              const script = document.createElement("script")
              script.src = url
              script.onload = loaded
              document.body.appendChild(script)
            })), Promise.resolve())
        <\/script><script src="${url}"><\/script></body>`
      )
      inside.document.close()
      this.ready = new Promise(loaded => { inside.onload = loaded })
      this.receive = event => {
        if (event.source !== inside) return
        this.dispatchEvent(new MessageEvent("message", { data: event.data }))
        if (this.onmessage) this.onmessage(event)
      }
      addEventListener("message", this.receive)
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(
        new MessageEvent("message", { data: structuredClone(data) })))
    }

    terminate() {
      removeEventListener("message", this.receive)
      this.frame.remove()
    }
  }
