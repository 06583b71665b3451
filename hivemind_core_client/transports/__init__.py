"""What moves frames: WebSocket for threads and asyncio, and HTTP."""
